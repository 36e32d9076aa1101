/*
 * The queue's inside: LMDB tables, rows, and the memory of leases.  Only broker/queue_*.c include
 * this.
 *
 *     items    item id                    -> flag, pair id           one row an ingested item
 *     pairs    pair id                    -> struct pair_row         one row a distinct (medium,
 * text) media    medium id                  -> struct medium_row       one row a medium = one job
 *     wanted   medium id + pair id        -> (nothing)               pairs that are pending, leased
 * or staged ready    place (u64 big-endian)     -> medium id               jobs to lease, oldest
 * first leases   medium id                  -> token                   jobs that are leased delayed
 * medium id                  -> (nothing)               jobs that wait after a failure staged shard
 * (u64 be) + medium id -> token                   what an open shard holds shards   shard (u64 be)
 * -> state, store, manifest meta     name                       -> counters, version
 *
 * Deadlines live in memory only: after a restart every lease gets its full time again, under the
 * same token, so that a worker that outlived the broker can still stage.
 */
#ifndef BROKER_QUEUE_INTERNAL_H
#define BROKER_QUEUE_INTERNAL_H

#include <lmdb.h>

#include "broker/queue.h"

enum medium_state {
    MEDIUM_IDLE,    /* nothing wanted */
    MEDIUM_READY,   /* in `ready` */
    MEDIUM_DELAYED, /* after a retryable failure; ready again when its time comes, or at a restart
                     */
    MEDIUM_LEASED,
    MEDIUM_STAGED, /* in an open shard; later texts wait for its seal */
};

struct medium_row {
    enum medium_state state;
    uint16_t attempts;
    uint16_t kills;
    uint32_t wanted;  /* rows in `wanted` */
    uint64_t token;   /* of the latest lease */
    uint64_t place;   /* in `ready` */
    uint64_t shard;   /* the open shard while staged */
    bool has_visual;  /* a sealed shard holds the visual record */
    bool adds_visual; /* while staged: the open shard holds it */
    struct view locator;
};

struct pair_row {
    enum pair_state state;
    int reason;
    uint64_t shard;
    struct id medium;
    struct view detail;
    struct view blob;
};

struct lease {
    struct id medium;
    uint64_t token;
    uint64_t session;
    int64_t deadline_ms;
    bool started;
};

struct delay {
    struct id medium;
    int64_t due_ms;
};

/* Numbers that are written back with every commit. */
struct queue_numbers {
    struct queue_counts counts;
    uint64_t next_place;
    uint64_t next_token;
    uint64_t next_shard;
};

struct queue {
    struct queue_options options;
    MDB_env *env;
    MDB_txn *txn;    /* the open batch, or NULL */
    bool only_looks; /* one transaction that reads, from opening to closing */
    MDB_dbi items, pairs, media, wanted, ready, leases, delayed, staged, shards, meta;
    struct queue_numbers n;
    struct id identity;
    int lock_fd;

    struct lease *lease; /* those that are out */
    size_t lease_count;
    size_t lease_room;
    struct delay *delay;
    size_t delay_count;
    size_t delay_room;
    struct buf scratch; /* one row being written */
};

/* Begins the batch if none is open. */
int queue_begin(struct queue *q) MUST_CHECK;

/* LMDB's code as ours: E_NOT_FOUND, E_EXISTS, else E_STORAGE with a sentence that says `what`. */
int queue_mdb(int code, const char *what) MUST_CHECK;

int queue_get(struct queue *q, MDB_dbi dbi, struct view key, struct view *value) MUST_CHECK;
int queue_put(struct queue *q, MDB_dbi dbi, struct view key, struct view value) MUST_CHECK;
int queue_del(struct queue *q, MDB_dbi dbi, struct view key) MUST_CHECK;

/* Rows.  A row read is valid until the next write of the batch (its views point into the database).
 */
int queue_get_medium(struct queue *q, const struct id *medium, struct medium_row *row) MUST_CHECK;
int queue_put_medium(struct queue *q, const struct id *medium,
                     const struct medium_row *row) MUST_CHECK;
int queue_get_pair(struct queue *q, const struct id *pair, struct pair_row *row) MUST_CHECK;
int queue_put_pair(struct queue *q, const struct id *pair, const struct pair_row *row) MUST_CHECK;

/* Rewrites a pair's state and keeps the counts; a pair that is done drops its blob. */
int queue_move_pair(struct queue *q, const struct id *pair, enum pair_state to, int reason,
                    struct view detail, uint64_t shard) MUST_CHECK;

/* Takes a pair out of `wanted`; the caller rewrites the medium. */
int queue_unwant(struct queue *q, const struct id *medium, struct medium_row *row,
                 const struct id *pair) MUST_CHECK;

/* The medium's wanted pairs in `state`, at most `most`; the ids are copied out. */
int queue_wanted_pairs(struct queue *q, const struct id *medium, enum pair_state state,
                       struct id *out, size_t most, size_t *n) MUST_CHECK;

/* The medium's leased pairs are pending again. */
int queue_unlease_pairs(struct queue *q, const struct id *medium) MUST_CHECK;

/* Puts the medium at the end of the ready jobs, or leaves it idle when nothing is wanted. */
int queue_make_ready(struct queue *q, const struct id *medium, struct medium_row *row) MUST_CHECK;

/* Memory of leases. */
struct lease *lease_find(struct queue *q, const struct id *medium);
int lease_add(struct queue *q, const struct id *medium, uint64_t token,
              uint64_t session) MUST_CHECK;
void lease_drop(struct queue *q, const struct id *medium);
int delay_add(struct queue *q, const struct id *medium, int64_t due_ms) MUST_CHECK;

/* Every pair the medium still has in `state` goes to quarantine; the row is changed, not written.
 */
int queue_quarantine_job(struct queue *q, const struct id *medium, struct medium_row *row,
                         enum pair_state state, int reason, struct view detail) MUST_CHECK;

/* Copies a medium's locator out of the database, so that its row survives writes; `room` holds
 * QUEUE_LOCATOR_MAX. */
void medium_keep_locator(struct medium_row *row, char room[QUEUE_LOCATOR_MAX]);

#endif
