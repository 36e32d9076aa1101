/*
 * What recipes write alike: the masked text and its labels, regions' features, and the targets of
 * masked regions.  Pure functions from a plan and its records into a sample's arrays; D features
 * and C classes a region, m chosen regions.
 */
#ifndef RECIPES_ARRAYS_H
#define RECIPES_ARRAYS_H

#include "recipes/recipe.h"

/* Gives the declared arrays their memory, and the sample its pair, medium, place and task. */
int array_allocate(const struct recipe_context *c, const struct pair_record *pair,
                   const struct visual_record *visual, const struct plan *plan,
                   struct sample *out) MUST_CHECK;

/* [CLS] sub-tokens [SEP], the chosen ones as their operations say, and positions from 0.
 * ids, positions: [tokens + 2] */
void array_text(const struct recipe_context *c, const struct pair_record *pair,
                const struct plan *plan, int32_t *ids, int32_t *positions);

/* The old id where a sub-token was chosen, else -1, also for [CLS] and [SEP].
 * labels: [tokens + 2] */
void array_text_labels(const struct pair_record *pair, const struct plan *plan, int32_t *labels);

/* Row `row` of the features as floats.  out: [D] */
void array_feature(const struct visual_record *v, uint32_t row, float *out);

/* Which of a region's numbers a model is to predict. */
enum region_target {
    TARGET_SOFT,    /* its soft labels, background included */
    TARGET_CLASS,   /* its best class without background, counted with it; the first of equals */
    TARGET_FEATURE, /* its features */
};

/* Declares the array of that target: f32 (m, C), i32 (m) or f32 (m, D); returns its index. */
uint32_t array_declare_targets(struct sample *s, const char *name, enum region_target target,
                               uint32_t m, const struct visual_record *v);

/* One target a chosen region (any operation but MASK_NONE), in the regions' order. */
void array_region_targets(const struct plan *plan, const struct visual_record *v,
                          enum region_target target, void *out);

/* E_ARG when the medium has no regions, or none of the soft labels that the targets are made of.
 * `soft`: 1 where they are. */
int array_check_visual(const struct recipe_context *c, const struct plan *plan,
                       const struct visual_record *v, int soft) MUST_CHECK;

#endif
