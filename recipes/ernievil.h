/*
 * ERNIE-ViL's pretraining samples (Yu et al., "ERNIE-ViL: Knowledge Enhanced Vision-Language
 * Representations Through Scene Graphs", AAAI 2021): the words of a caption's objects, attributes
 * and relations are masked, node by node, and predicted from the rest and from the image; beside
 * them masked language modelling, masked region prediction and image-text matching, all in one
 * sample.  The authors released no pretraining reader, so every choice is an option;
 * docs/recipes.md lists them with their sources, and every array.
 */
#ifndef RECIPES_ERNIEVIL_H
#define RECIPES_ERNIEVIL_H

#include "common/philox.h"
#include "recipes/arrays.h"

/* JOINT is all of the others in one sample. */
enum ernievil_task {
    ERNIEVIL_JOINT,
    ERNIEVIL_MLM,
    ERNIEVIL_OBJECT,
    ERNIEVIL_ATTRIBUTE,
    ERNIEVIL_RELATION,
    ERNIEVIL_TASKS
};

/* The options, in their order. */
enum ernievil_option {
    ERNIEVIL_WEIGHT, /* of task t: ERNIEVIL_WEIGHT + t */
    ERNIEVIL_TASK_BLOCK = ERNIEVIL_WEIGHT + ERNIEVIL_TASKS,
    ERNIEVIL_MAX_TOKENS,
    ERNIEVIL_OBJECT_RATE,
    ERNIEVIL_ATTRIBUTE_RATE,
    ERNIEVIL_RELATION_RATE,
    ERNIEVIL_COUNT, /* enum ernievil_count */
    ERNIEVIL_PROTECT_ENDS,
    ERNIEVIL_PROTECT_OWNER,
    ERNIEVIL_EVOKED,
    ERNIEVIL_FATE, /* enum ernievil_fate */
    ERNIEVIL_NODE_MASK,
    ERNIEVIL_NODE_RANDOM,
    ERNIEVIL_KEEP_LOSS,
    ERNIEVIL_FALLBACK,
    ERNIEVIL_JOINT_MLM,
    ERNIEVIL_TEXT_RATE,
    ERNIEVIL_TEXT_MASK,
    ERNIEVIL_TEXT_RANDOM,
    ERNIEVIL_LEAST,
    ERNIEVIL_REGION_RATE,
    ERNIEVIL_REGION_MASK,
    ERNIEVIL_REGION_TARGET, /* enum region_target */
    ERNIEVIL_NEGATIVE_RATE,
    ERNIEVIL_MISMATCH_LOSS,
    ERNIEVIL_EQUALITY, /* enum equality */
    ERNIEVIL_CONF,
    ERNIEVIL_MIN_REGIONS,
    ERNIEVIL_MAX_REGIONS,
    ERNIEVIL_OPTIONS
};

enum ernievil_count { COUNT_BERNOULLI, COUNT_CEILING };
enum ernievil_fate { FATE_OF_NODE, FATE_OF_PIECE };

extern const struct recipe recipe_ernievil;

/* Chooses nodes of the pair's scene graph for the plan's task (its other members filled) and writes
 * token_op, token_random and token_for of their sub-tokens.  closed: [tokens] set to 1 where a
 * sub-token belongs to a chosen node or is protected by one.  Returns how many nodes it chose. */
uint32_t ernievil_choose_nodes(const struct recipe_context *c, const struct pair_record *pair,
                               struct plan *out, uint8_t *closed);

/* A box's five numbers x1/W, y1/H, x2/W, y2/H and area/(W*H), in single precision.
 * box: x1 y1 x2 y2 px. */
void ernievil_geometry(const float box[4], uint32_t width, uint32_t height, float out[5]);

/* The name of the array that holds targets of a kind. */
extern const char *const ernievil_target_names[];

/* See recipe_batch(). */
int ernievil_batch(const struct sample *samples, size_t n, struct sample *out) MUST_CHECK;

#endif
