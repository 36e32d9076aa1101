/*
 * UNITER's pretraining samples (Chen et al., "UNITER: UNiversal Image-TExt Representation
 * Learning", ECCV 2020), as the authors' released code draws them: masked language modelling
 * (mlm), masked region feature regression (mrfr), masked region classification by hard (mrc) and
 * by soft label (mrckl), and image-text matching (itm).  docs/recipes.md lists every array, every
 * option with its source, and where this differs knowingly.
 *
 * Besides the recipe itself the header offers its parts, for tests.
 */
#ifndef RECIPES_UNITER_H
#define RECIPES_UNITER_H

#include "recipes/recipe.h"

enum uniter_task { UNITER_ITM, UNITER_MLM, UNITER_MRFR, UNITER_MRCKL, UNITER_MRC, UNITER_TASKS };

/* The options, in their order. */
enum uniter_option {
    UNITER_WEIGHT, /* of task t: UNITER_WEIGHT + t */
    UNITER_TASK_BLOCK = UNITER_WEIGHT + UNITER_TASKS,
    UNITER_MAX_TOKENS,
    UNITER_TEXT_RATE,
    UNITER_TEXT_MASK,
    UNITER_TEXT_RANDOM,
    UNITER_REGION_RATE,
    UNITER_NEGATIVE_RATE,
    UNITER_EQUALITY, /* enum equality */
    UNITER_CONF,
    UNITER_MIN_REGIONS,
    UNITER_MAX_REGIONS,
    UNITER_OPTIONS
};

extern const struct recipe recipe_uniter;

/* choose_region_count() by the options. */
uint32_t uniter_region_count(const struct recipe_options *o, const float *conf, uint32_t n);

/* A box's seven numbers x1/W, y1/H, x2/W, y2/H, w/W, h/H, area: six in float, rounded to half, and
 * the area from the rounded sides.  box: x1 y1 x2 y2 px. */
void uniter_geometry(const float box[4], uint32_t width, uint32_t height, float out[7]);

/* choose_task() as one of UNITER's. */
enum uniter_task uniter_task_at(const struct recipe_context *c, uint32_t epoch, uint64_t position);

/* The batch that the released collate functions make (data/mlm.py, mrm.py, itm.py), with their
 * names: docs/recipes.md lists the arrays.  See recipe_batch(). */
int uniter_batch(const struct sample *samples, size_t n, struct sample *out) MUST_CHECK;

#endif
