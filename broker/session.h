/*
 * Sessions: the peers that said HELLO, as the broker remembers them.  In memory only: after a
 * restart every peer says HELLO again, because it is told WHO.
 */
#ifndef BROKER_SESSION_H
#define BROKER_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"

enum { SESSION_NAME_MAX = 127, SESSION_STORE_MAX = 4096, SESSIONS_MAX = 4096 };

struct session {
    uint64_t number; /* from 1, never used twice by one broker process */
    struct wire_peer peer;
    bool worker;
    char name[SESSION_NAME_MAX + 1]; /* "host:pid" */
    char store[SESSION_STORE_MAX + 1];
    uint64_t granted; /* jobs that it will have taken in all, in this session: its credit */
    uint64_t sent;    /* jobs that it was sent in this session */
    bool holds_shard; /* it has an open shard */
    bool seal_asked;
    int64_t heard_ms;
    uint64_t progress; /* its last counter */
};

struct session_table {
    struct session *s;
    size_t n;
    size_t room;
    uint64_t next_number;
    size_t next_to_serve; /* where the round of leases goes on */
};

void session_table_release(struct session_table *t);

/* A new session for the peer; E_BUSY when there are too many, E_NOMEM.  Pointers to sessions are
 * valid until the next add or remove. */
int session_add(struct session_table *t, const struct wire_peer *peer,
                struct session **out) MUST_CHECK;
void session_remove(struct session_table *t, uint64_t number);

/* NULL when there is none. */
struct session *session_of_peer(struct session_table *t, const struct wire_peer *peer);
struct session *session_of_name(struct session_table *t, struct view name);

/* The next worker with credit, each in its turn; NULL when none has any. */
struct session *session_next_hungry(struct session_table *t);

#endif
