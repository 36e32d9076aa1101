/*
 * A sample: what a trainer gets, as named, typed arrays.
 *
 * A recipe fills one in three steps: declare every array, allocate once, write the data.  The
 * arrays lie in one block, each at a multiple of 64 bytes, and belong to the sample: they stay
 * valid until the next sample_reset() or sample_release().  sample_reset() keeps the memory, so a
 * reused sample allocates nothing once it has met its largest.  One thread at a time.
 */
#ifndef RECIPES_SAMPLE_H
#define RECIPES_SAMPLE_H

#include "common/buf.h"
#include "common/id.h"

enum array_dtype { ARRAY_U8, ARRAY_I32, ARRAY_F32 };

/* Bytes an element, and numpy's name of the type ("|u1", "<i4", "<f4"). */
size_t array_dtype_size(enum array_dtype dtype);
const char *array_dtype_name(enum array_dtype dtype);

enum { SAMPLE_ARRAYS_MAX = 16, SAMPLE_DIMENSIONS_MAX = 3 };

struct sample_array {
    const char *name; /* a literal of the recipe */
    enum array_dtype dtype;
    uint32_t dimensions;
    uint64_t shape[SAMPLE_DIMENSIONS_MAX]; /* row-major */
    uint64_t bytes;
    void *data; /* NULL before sample_allocate() */
};

struct sample {
    struct id pair;
    struct id medium; /* whose regions these are: not the pair's own in a mismatched sample */
    uint32_t epoch;
    uint64_t position; /* in the epoch's global sequence */
    const char *task;  /* the recipe's name for it: "mlm"; a literal */
    uint32_t count;
    struct sample_array arrays[SAMPLE_ARRAYS_MAX];
    struct buf block;
};

/* `limit`: the most bytes that the arrays of one sample may take. */
void sample_init(struct sample *s, size_t limit);
void sample_release(struct sample *s);
void sample_reset(struct sample *s);

/* Adds an array of `rows` numbers (columns 0) or of `rows` x `columns`; returns its index.  `name`
 * must outlive the sample.  More than SAMPLE_ARRAYS_MAX is a bug. */
uint32_t sample_declare(struct sample *s, const char *name, enum array_dtype dtype, uint64_t rows,
                        uint64_t columns);

/* Gives every declared array its memory, zeroed.  E_TOO_BIG beyond the limit, E_NOMEM. */
int sample_allocate(struct sample *s) MUST_CHECK;

/* The array of that name, or NULL. */
const struct sample_array *sample_find(const struct sample *s, const char *name);

#endif
