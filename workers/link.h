/*
 * A worker's link to the broker: one DEALER socket, a session, and the beat that shows that the
 * working thread is alive.
 *
 * The broker may be killed and started again at any moment.  It then answers WHO; link_recv()
 * introduces the worker again with the leases it holds, and reports LINK_NEW, so that whatever was
 * not acknowledged is sent again. One thread, the one that works: a beat sent by another thread
 * would prove nothing.
 */
#ifndef WORKERS_LINK_H
#define WORKERS_LINK_H

#include "common/id.h"
#include "common/wire.h"

enum { LINK_LEASES_MAX = 8 };

struct held_lease {
    struct id medium;
    uint64_t token;
};

struct link {
    void *ctx;
    void *socket;
    char name[128]; /* "host:pid" */
    const char *store;
    bool holds_shard;
    bool welcome;    /* the broker knows this worker */
    struct id queue; /* the broker's, as its last WELCOME told */
    int64_t beat_ms;
    int64_t next_beat_ms;
    int64_t next_hello_ms;
    uint64_t progress;
    struct held_lease
        leases[LINK_LEASES_MAX]; /* what the worker holds; the worker keeps it up to date */
    size_t lease_count;
    struct wire_out out;
    struct wire_list_out list;
};

enum link_event {
    LINK_NOTHING, /* the time passed, or the message was the link's own business */
    LINK_MESSAGE, /* `in` holds one for the worker */
    LINK_NEW,     /* a session began: send again what was not acknowledged, ask for work again */
};

/* Makes the context and the socket: after fork(), in the process that uses it. */
int link_open(struct link *l, const char *address, const char *store) MUST_CHECK;
void link_close(struct link *l);

/* "host:pid" of a worker process, by which its supervisor reports its death. */
void link_name(char out[128], int pid);

/* Waits up to `wait_ms` for a message; says HELLO when the broker does not know the worker yet, and
 * beats when it is time. Release `in` whatever is returned.  E_VERSION when the broker speaks
 * another protocol. */
int link_recv(struct link *l, int64_t wait_ms, struct wire_in *in,
              enum link_event *event) MUST_CHECK;

/* The working thread made progress: beats when it is time.  Cheap; call it often. */
void link_progress(struct link *l);

/* Sends a message that the caller began in a wire_out of its own.  A full or broken connection is
 * no error: the deadline of the lease, or sending again, takes care of it. */
int link_send(struct link *l, struct wire_out *out, const struct view *payload) MUST_CHECK;

/* Keeps l->leases. */
void link_hold(struct link *l, const struct id *medium, uint64_t token);
void link_let_go(struct link *l, uint64_t token);

#endif
