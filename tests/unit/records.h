/* Random, well-formed records for the tests of the shards room. */
#ifndef TESTS_UNIT_RECORDS_H
#define TESTS_UNIT_RECORDS_H

#include "common/record.h"

/* A record and the memory that it points to. */
struct made_visual {
    struct visual_record r;
    void *memory;
};

struct made_pair {
    struct pair_record r;
    void *memory;
};

/* Medium number `medium`, with `n` regions of `dim` features; the content depends on the arguments
 * alone.  Features look like a ReLU's: a quarter exact zeros, a long tail. */
struct made_visual make_visual(uint32_t medium, uint32_t n, uint32_t dim, enum feature_dtype dtype);

/* Text number `text` about medium number `medium`. */
struct made_pair make_pair(uint32_t medium, uint32_t text);

void free_visual(struct made_visual *m);
void free_pair(struct made_pair *m);

struct id medium_id(uint32_t medium);

/* Fail the test when two records differ anywhere. */
void expect_same_visual(const struct visual_record *a, const struct visual_record *b);
void expect_same_pair(const struct pair_record *a, const struct pair_record *b);

#endif
