/* Fitting a log-linear ranker: instances are gathered with their options' features, then the
 * weights are fitted and packed.
 *
 *     struct ranker r;
 *     ranker_init(&r);
 *     ranker_option(&r)->part[0] = ranker_keys(&r, &keys);   for each option of an instance
 *     ranker_instance(&r, first, none);
 *     table = ranker_fit(&r, bits);                          frees what was gathered
 */
#ifndef SCENEPARSE_TRAIN_RANK_H
#define SCENEPARSE_TRAIN_RANK_H

#include "sceneparse/train_internal.h"

/* Of feature ids. */
struct list {
    uint32_t first, n;
};

/* One of an instance's alternatives, its features in up to three lists, which options may share. */
struct option {
    struct list part[3];
    int gold; /* whether it is right */
};

struct instance {
    uint32_t first, n; /* options */
    int none;          /* whether "none" is right; -1: it is no option */
};

struct ranker {
    struct feature_map map;
    uint32_t *ids;
    size_t id_n, id_room;
    struct option *options;
    size_t option_n, option_room;
    struct instance *instances;
    size_t instance_n, instance_room;
    float *w, *g;
};

void ranker_init(struct ranker *r);
/* A list of the keys' ids; one that follows another directly may be joined to it. */
struct list ranker_keys(struct ranker *r, const struct keys *k);
struct option *ranker_option(struct ranker *r);
/* The options from `first` on. */
void ranker_instance(struct ranker *r, size_t first, int none);
/* 2^bits rows, which the caller frees. */
struct rank_table ranker_fit(struct ranker *r, uint32_t bits);

/* ---- what was found, beside what is there ---- */

/* Loads example i as tagged by a tagger that did not see it; gold_of[span] is the gold span that a
 * span stands for, or -1.  0: the example takes no part in training. */
int prepare(struct trainer *t, uint32_t i, const struct tagged *tagged, int gold_of[NODE_MAX]);
int gold_owns(const struct example *e, int attribute, int owner);
/* Whether the candidate is called `label`. */
int reads(const struct trainer *t, const struct candidate *c, uint32_t label);

#endif
