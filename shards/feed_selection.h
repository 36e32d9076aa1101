/*
 * The part of a corpus that a recipe with its options takes: which pairs become samples, and which
 * media may stand in as negatives.  A pure function of the corpus' content, so the same on every
 * server and for every world size.
 *
 * Samples are numbered 0..pairs-1 and media 0..media-1 in the order of ids.  Four bytes a pair and
 * eight a medium; building takes about 50 ns a pair.  Read-only once built.
 */
#ifndef SHARDS_FEED_SELECTION_H
#define SHARDS_FEED_SELECTION_H

#include "recipes/recipe.h"
#include "shards/about.h"
#include "shards/corpus.h"

enum { FEED_VERDICTS = RECIPE_NO_REGIONS + 1 };

struct feed_selection {
    const struct corpus *corpus;
    const struct recipe *recipe;
    struct recipe_options options;
    struct wordpiece_ids ids; /* of the vocabulary that the corpus was tokenised with */
    uint64_t pairs;
    uint32_t *pair; /* [pairs] number in the corpus */
    uint64_t media;
    uint32_t *medium;                 /* [media] number in the corpus */
    uint32_t *medium_number;          /* [corpus media] number here */
    uint64_t verdicts[FEED_VERDICTS]; /* how many pairs got which */
};

/* E_ARG when recipe or options are not known or cannot work on this corpus, or when its shards are
 * of two vocabularies or detectors; E_NOT_FOUND when they do not tell their vocabulary. */
int feed_selection_init(struct feed_selection *s, struct corpus *corpus, const char *recipe,
                        const char *options) MUST_CHECK;
void feed_selection_release(struct feed_selection *s);

/* The recipe's context for these samples; borrows from s. */
struct recipe_context feed_selection_context(const struct feed_selection *s, uint64_t seed);

#endif
