/*
 * libpairmill: batches of pretraining samples from a feed (`pairmill feed`), for trainers.
 *
 *     struct pairmill_options o = pairmill_default_options();
 *     o.address = "tcp://127.0.0.1:7400";
 *     struct pairmill_feed *feed;
 *     if (pairmill_feed_open(&o, &feed) < 0) { puts(pairmill_error()); ... }
 *     struct pairmill_batch *batch;
 *     int more;
 *     while ((more = pairmill_feed_next(feed, &batch)) > 0) {
 *         train(batch->arrays, batch->array_count);
 *         pairmill_batch_release(batch);
 *     }
 *     pairmill_feed_close(feed);          more < 0: pairmill_error() says why
 *
 * A feed is one rank's share of one epoch.  The epoch's order is a permutation of the corpus, a
 * pure function of (seed, epoch); rank r of w takes positions r, r + w, r + 2w, ...  So all ranks
 * together get each pair once, the same whatever the world's size, and any position can be resumed.
 * A batch is what a rank takes of the positions [k * B * w, (k + 1) * B * w) with B = batch_size,
 * cut where the recipe's block of one task ends.
 *
 * A thread of the feed's own receives and decodes while the trainer computes, two batches ahead.
 * Calls on one feed come from one thread at a time; batches may be released from any thread, also
 * after the feed was closed.  Open feeds after fork().  Every wait ends by its deadline.
 *
 * Functions return 0 (or what they say), or a negative code; pairmill_error() is then one sentence
 * about it, of the calling thread.
 */
#ifndef PAIRMILL_H
#define PAIRMILL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PAIRMILL_API __attribute__((visibility("default")))

enum { PAIRMILL_ABI = 3 };

struct pairmill_options {
    const char *address; /* of the feed: "tcp://host:port" or "ipc:///path" */
    const char *recipe;  /* "uniter" or "ernievil" */
    const char *options; /* of the recipe: "name=value,..."; NULL: its defaults */
    uint64_t seed;
    uint64_t start; /* position to begin at; a batch's `next` of an earlier run */
    uint32_t epoch;
    uint32_t rank;
    uint32_t world;
    uint32_t batch_size; /* samples a rank */
    uint32_t drop_last;  /* 1: every rank gets as many batches; left out are the last window where
                          * it is not whole, and what a block's end leaves that is smaller than the
                          * world */
    uint32_t credit;     /* messages in flight, about 1 MB each */
    double timeout_s;    /* of every wait */
};

/* uniter, rank 0 of 1, batches of 32, credit 8, 60 s. */
PAIRMILL_API struct pairmill_options pairmill_default_options(void);

enum { PAIRMILL_DIMENSIONS_MAX = 3 };

struct pairmill_array {
    const char *name;
    const char *dtype; /* numpy's: "|u1", "<i4", "<f4" */
    uint32_t dimensions;
    uint64_t shape[PAIRMILL_DIMENSIONS_MAX];
    void *data; /* row-major; belongs to the batch */
};

struct pairmill_batch {
    const char *task;
    uint32_t epoch;
    uint32_t size;     /* samples */
    uint64_t position; /* of the first sample */
    uint64_t next;     /* where the epoch goes on after this batch, for all ranks: a `start` */
    const uint8_t (*pair_ids)[32];   /* [size] */
    const uint8_t (*medium_ids)[32]; /* [size] whose regions these are */
    uint32_t array_count;
    struct pairmill_array arrays[16];
};

struct pairmill_feed;

/* Connects and waits for the feed's welcome. */
PAIRMILL_API int pairmill_feed_open(const struct pairmill_options *o, struct pairmill_feed **out);

/* The same in two steps, for callers that must look up now and then, as an interpreter for Ctrl-C:
 * begins to connect, and then waits at most `seconds` for the welcome: 1, 0 when it has not come
 * yet, or negative.  Before the 1 only this and pairmill_feed_close() may be called. */
PAIRMILL_API int pairmill_feed_begin(const struct pairmill_options *o, struct pairmill_feed **out);
PAIRMILL_API int pairmill_feed_welcome(struct pairmill_feed *feed, double seconds);

PAIRMILL_API void pairmill_feed_close(struct pairmill_feed *feed);

/* The next batch: 1; 0 at the end of the epoch; negative on error.  An error is final. */
PAIRMILL_API int pairmill_feed_next(struct pairmill_feed *feed, struct pairmill_batch **out);

/* Waits at most `seconds` for pairmill_feed_next() to have an answer at once: 1, or 0. */
PAIRMILL_API int pairmill_feed_wait(struct pairmill_feed *feed, double seconds);

PAIRMILL_API void pairmill_batch_release(struct pairmill_batch *batch);

/* Positions in the epoch over all ranks, and batches that this feed yields from its start on. */
PAIRMILL_API uint64_t pairmill_feed_total(const struct pairmill_feed *feed);
PAIRMILL_API uint64_t pairmill_feed_batches(const struct pairmill_feed *feed);

/* Task number i of a recipe: "mlm"; a batch's `task` is one of them, and the recipe has an option
 * of the same name, its weight.  NULL beyond the last, and for a recipe that there is not. */
PAIRMILL_API const char *pairmill_recipe_task(const char *recipe, uint32_t i);

/* The calling thread's last error: one sentence, and a stable name like "E_TIMEOUT" of a code. */
PAIRMILL_API const char *pairmill_error(void);
PAIRMILL_API const char *pairmill_error_name(int code);

/* PAIRMILL_ABI of the library that was loaded. */
PAIRMILL_API int pairmill_abi(void);

#ifdef __cplusplus
}
#endif

#endif
