/*
 * Philox4x32-10, a counter-based random number generator: a pure function of a key and a counter.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; the
 * known-answer vectors of their Random123 distribution are in tests/unit/test_philox.c.
 *
 * A stream is (seed, recipe, epoch, subject, purpose): the i-th number of a stream depends on these
 * and on nothing that was drawn before, so a new purpose never shifts another purpose's draws, and
 * any sample can be recomputed alone.  Costs about 10 ns a block of four numbers.
 */
#ifndef COMMON_PHILOX_H
#define COMMON_PHILOX_H

#include <stdint.h>

struct philox_block {
    uint32_t v[4];
};

struct philox_block philox4x32(const uint32_t counter[4], const uint32_t key[2]);

/* What a draw is for.  Stored nowhere, but part of every sample: never renumber, only append. */
enum draw_purpose {
    DRAW_ORDER = 1,       /* the epoch's permutation */
    DRAW_TASK = 2,        /* which task a block of samples has */
    DRAW_MASK_TEXT = 3,   /* which sub-tokens are chosen, and what becomes of them */
    DRAW_MASK_REGION = 4, /* which regions are chosen */
    DRAW_MATCH = 5,       /* whether an image-text pair is kept or mismatched */
    DRAW_NEGATIVE = 6,    /* which medium or text replaces the true one */
    DRAW_MASK_GRAPH = 7,  /* which scene-graph nodes are chosen */
};

/* One stream of draws.  A plain value: copy it freely. */
struct draw {
    uint32_t key[2];
    uint32_t epoch;
    uint32_t subject[2]; /* what is drawn for: a pair's number, a block's number, 0 */
    uint32_t purpose;
};

/* `recipe` is a recipe's stable number; `subject` names the thing drawn for. */
struct draw draw_stream(uint64_t seed, uint32_t recipe, uint32_t epoch, uint64_t subject,
                        enum draw_purpose purpose);

/* The i-th 32 random bits of the stream. */
uint32_t draw_u32(const struct draw *d, uint32_t i);

/* The i-th number of the stream, uniform in [0, 1), a multiple of 2^-24. */
float draw_unit(const struct draw *d, uint32_t i);

/* The i-th number of the stream, in [0, n), n > 0; from 64 bits, so the bias is below n / 2^64. */
uint64_t draw_below(const struct draw *d, uint32_t i, uint64_t n);

#endif
