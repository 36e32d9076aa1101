/*
 * The stager: puts what became of a job into this worker's open shard, tells the broker, and
 * remembers what the broker has not acknowledged yet; seals the shard when it is full or when it is
 * time.
 *
 * The order that makes "exactly once" true: (1) records and mark durable in the shard, in one
 * transaction; (2) STAGE to the broker; (3) STAGED back, or an ERROR upon which the records are
 * taken out again; (4) only when nothing is unacknowledged is the shard sealed; (5) SEALED to the
 * broker, which compares its own list of jobs with ours.
 *
 * One thread; it uses the worker's link.
 */
#ifndef WORKERS_STAGER_H
#define WORKERS_STAGER_H

#include "broker/queue.h"
#include "common/record.h"
#include "workers/link.h"

struct stager;

struct stager_options {
    const char *store;   /* directory of the shards */
    const char *about;   /* JSON about this worker's models, for the shard */
    uint64_t seal_bytes; /* a shard is sealed when it has grown so large */
    /* While the stager waits for an answer: what else comes, and that a session began. */
    int (*other)(void *arg, struct wire_in *in);
    int (*new_session)(void *arg);
    void *arg;
};

int stager_new(struct link *link, const struct stager_options *options,
               struct stager **out) MUST_CHECK;
void stager_free(struct stager *s);

/* Takes up the shards that a dead worker left in the store, after the broker's say about each of
 * their jobs.  Blocks while it talks to the broker; E_INTERRUPTED when `stop` becomes true. */
int stager_take_up(struct stager *s, const volatile bool *stop) MUST_CHECK;

/* A job has come: there will be something to stage, so a shard is asked for if there is none. */
int stager_prepare(struct stager *s) MUST_CHECK;
bool stager_is_ready(const struct stager *s);

/* The broker asked this worker to finish and go. */
bool stager_was_told_to_go(const struct stager *s);

/* What became of a job.  `visual` NULL: none is wanted or nothing was staged. */
struct job_result {
    struct id medium;
    uint64_t token;
    const struct visual_record *visual;
    const struct pair_record *pairs; /* those that are staged */
    size_t pair_count;
    const struct pair_outcome *outcomes; /* all of the job's pairs */
    size_t outcome_count;
};

/* Durable and announced when it returns 0.  The stager must be ready.  E_STORAGE: the disk is full
 * or broken, nothing happened, try again. */
int stager_put(struct stager *s, const struct job_result *result) MUST_CHECK;

/* A job that came to nothing: says so until the broker has heard it.  `detail` of at most
 * QUEUE_DETAIL_MAX bytes is copied. */
int stager_fail(struct stager *s, const struct id *medium, uint64_t token, int reason,
                struct view detail, bool permanent) MUST_CHECK;

/* Gives a message to the stager; *taken says whether it was its business. */
int stager_on_message(struct stager *s, const struct wire_in *in, bool *taken) MUST_CHECK;

/* A session began: everything unacknowledged is sent again. */
int stager_on_new_session(struct stager *s) MUST_CHECK;

/* Call now and then: what stayed unanswered for long is sent again. */
int stager_on_time(struct stager *s) MUST_CHECK;

/* Nothing waits for an acknowledgement. */
bool stager_is_settled(const struct stager *s);

/* Whether the open shard is full, or was asked to be sealed. */
bool stager_wants_seal(const struct stager *s);
void stager_ask_seal(struct stager *s);

/* Seals the open shard if there is one with jobs in it; everything must be settled.  Then announces
 * it. */
int stager_seal(struct stager *s) MUST_CHECK;

#endif
