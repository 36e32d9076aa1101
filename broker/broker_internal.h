/* The broker's inside, shared by broker.c (the loop) and serve_*.c (the verbs). */
#ifndef BROKER_BROKER_INTERNAL_H
#define BROKER_BROKER_INTERNAL_H

#include "broker/broker.h"
#include "broker/outbox.h"
#include "broker/session.h"
#include "shards/catalog.h"

/* Counted since the broker began; part of STATUS. */
struct broker_counters {
    uint64_t messages;
    uint64_t refused;       /* well-formed but unwelcome, answered with ERROR */
    uint64_t malformed;     /* not even a message of ours */
    uint64_t undeliverable; /* answers whose peer was gone */
    uint64_t stale;         /* late stages that were refused */
};

struct broker {
    struct broker_options options;
    struct queue *queue;
    struct catalog catalog;
    bool catalog_changed; /* a shard was sealed in this batch */
    void *ctx;
    void *socket;
    struct session_table sessions;
    struct outbox outbox;
    struct job job; /* the one being handed out */
    struct wire_list_out list;
    struct broker_counters counters;
    bool stopping;        /* an operator said STOP: no more leases, go when the workers have gone */
    bool flushing;        /* seal as soon as nothing is pending or leased, do not wait to be idle */
    uint64_t first_shard; /* the first number given out by this broker process */
    int64_t busy_ms;      /* when there was last something to do */
    int64_t worker_ms;    /* when a worker was last connected */
    char corpus[SHARD_PATH_MAX];
};

/* One verb.  Returns 0 when it is answered (or needs no answer); another code is answered with
 * ERROR, except E_STORAGE and E_NOMEM, which end the broker. */
typedef int (*verb_fn)(struct broker *b, struct session *s, const struct wire_in *in);

struct verb {
    const char *name;
    verb_fn serve;
    bool worker; /* only after a worker's HELLO */
};

extern const struct verb worker_verbs[]; /* end with a NULL name */
extern const struct verb client_verbs[];

/* An answer to the message's sender, to be filled. */
int broker_answer(struct broker *b, const struct wire_in *in, const char *verb,
                  struct letter **out) MUST_CHECK;

/* Hands ready jobs to whoever has credit. */
int broker_hand_out(struct broker *b) MUST_CHECK;

/* Asks a worker to finish what it holds, seal and go. */
int broker_say_quiet(struct broker *b, const struct session *s) MUST_CHECK;

/* Asks workers to seal when it is time. */
int broker_ask_to_seal(struct broker *b) MUST_CHECK;

int broker_refresh_catalog(struct broker *b) MUST_CHECK;

/* A session ends: its worker is gone, its jobs are ready again. */
int broker_drop_session(struct broker *b, uint64_t number) MUST_CHECK;

/* Where the catalog says that a shard of this store lies. */
void broker_shard_file(const struct broker *b, struct view store, uint32_t number,
                       char out[SHARD_PATH_MAX]);

#endif
