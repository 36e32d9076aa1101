/*
 * Putting samples together into a batch: measured first, then copied row by row into arrays that
 * are padded to the longest.
 *
 * A sample that goes into a batch has "lengths" (text positions, regions), features (regions, D),
 * and one array of targets with as many rows as it asks for.
 */
#ifndef RECIPES_COLLATE_H
#define RECIPES_COLLATE_H

#include "recipes/sample.h"

struct extent {
    size_t n;            /* B, samples */
    uint64_t text;       /* T, most text positions */
    uint64_t regions;    /* N, most regions */
    uint64_t joint;      /* J, most of both together */
    uint64_t dim;        /* D */
    uint64_t targets;    /* M, rows of targets of all samples */
    uint64_t per_target; /* numbers a row of targets; 0 for one number */
};

/* Measures n >= 1 samples, whose arrays of features and targets have these names.  E_ARG when they
 * differ in task or width. */
int collate_measure(const struct sample *samples, size_t n, const char *features,
                    const char *targets, struct extent *e) MUST_CHECK;

/* The first of the names that the sample has an array of; NULL.  names: NULL-terminated */
const char *collate_find_name(const struct sample *s, const char *const *names);

/* An array of that name, which must be there. */
const struct sample_array *collate_array(const struct sample *s, const char *name);

/* [2] text positions, regions */
const int32_t *collate_lengths(const struct sample *s);

void collate_declare3(struct sample *s, const char *name, uint64_t a, uint64_t b, uint64_t c);

/* Gives the batch its memory, zeroed, and the first sample's epoch, position and task. */
int collate_allocate(const struct sample *first, struct sample *out) MUST_CHECK;

/* Copies a sample's whole array to the beginning of row i of the batch's. */
void collate_copy(const struct sample *out, const struct sample *s, const char *name, size_t i);

/* Appends a sample's targets to the batch's, of which *done rows are written. */
void collate_append(const struct sample *out, const struct sample *s, const char *name,
                    size_t *done);

/* Row i of a batch's array of i32. */
int32_t *collate_row(const struct sample *out, const char *name, size_t i);

#endif
