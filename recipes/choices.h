/*
 * What recipes draw: the task of a block of positions, sub-tokens, what becomes of the chosen,
 * another medium; and which regions are used, where nothing is drawn.
 *
 * Every choice has a stream of its own (common/philox.h), so none shifts another's draws.  Which
 * numbers of a stream serve what is part of every published run: docs/recipes.md lists them.
 * Nothing here keeps state; any thread may call.
 */
#ifndef RECIPES_CHOICES_H
#define RECIPES_CHOICES_H

#include "common/philox.h"
#include "recipes/recipe.h"

/* The stream of a pair's draws for one purpose. */
struct draw choose_stream(const struct recipe_context *c, uint32_t epoch,
                          const struct pair_record *pair, enum draw_purpose purpose);

/* Whether a text of so many sub-tokens, at most `most` allowed, and a medium of so many regions
 * make a sample. */
enum recipe_verdict choose_verdict(double most, uint32_t tokens, uint32_t regions);

/* The sum of the tasks' weights: the values of the recipe's first options. */
uint64_t choose_weights(const struct recipe_context *c);

/* The task at a position, by weight and the same for a whole block of positions. */
uint32_t choose_task(const struct recipe_context *c, uint32_t epoch, uint64_t position);

/* What becomes of what is chosen: hidden, replaced at random, or else kept. */
struct mask_shares {
    double hide;
    double random;
};

/* u: uniform in [0, 1). */
enum mask_op choose_fate(const struct mask_shares *s, double u);

/* Id number i of the stream d (numbers 2i and 2i+1), one that may replace a sub-token. */
uint32_t choose_id(const struct recipe_context *c, const struct draw *d, uint32_t i);

/* Masks each of the plan's sub-tokens with probability `rate`; returns how many.  `closed`: NULL,
 * or [tokens] with 1 where a sub-token may not be chosen. */
uint32_t choose_tokens(const struct recipe_context *c, const struct pair_record *pair, double rate,
                       const struct mask_shares *s, const uint8_t *closed, struct plan *out);

/* What another medium may not share with the pair's own. */
enum equality { SAME_MEDIUM, SAME_GROUP };
extern const char *const equality_words[];

/* With probability `rate` another medium, uniform over those that differ, into out->medium and
 * out->match; where nothing differs the sample stays a match. */
void choose_medium(const struct recipe_context *c, const struct pair_record *pair, double rate,
                   enum equality equality, struct plan *out);

struct region_limits {
    double conf; /* regions above it are used; compared in half precision, as numpy compares the
                  * stored halves */
    uint32_t min;
    uint32_t max;
};

/* How many regions a sample uses, always the first; never more than the n there are.  conf: [n] */
uint32_t choose_region_count(const struct region_limits *l, const float *conf, uint32_t n);

#endif
