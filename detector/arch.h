/*
 * Architectures: how a model file becomes a graph, and how an image goes through it.
 *
 * Adding one: a file arch_<name>.c that defines a `const struct arch`, and its row in arch.c.
 */
#ifndef DETECTOR_ARCH_H
#define DETECTOR_ARCH_H

#include "detector/detector.h"
#include "detector/model.h"
#include "detector/pass.h"
#include "detector/preprocess.h"

/* What a graph tells about itself once built. */
struct arch_shape {
    struct preprocess preprocess;
    uint32_t dim;
    uint32_t classes;
    uint32_t max_regions;
};

struct arch {
    /* Reads config and weights and allocates the graph; what is wrong is remembered in `m`. Returns
     * NULL only when something is. */
    void *(*build)(struct model *m, const struct detector_options *options,
                   struct arch_shape *shape);
    void (*free)(void *graph);
    /* One image; `rgb` is NULL in a dry pass. Results are left in the pass's workspace. */
    void (*run)(const void *graph, struct pass *pass, const struct geometry *g, const uint8_t *rgb,
                struct detections *out);
};

/* By the name in a model's metadata; NULL when there is none of that name. */
const struct arch *arch_find(const char *name);

/* All names, separated by ", ", for a message. */
const char *arch_names(void);

extern const struct arch arch_c4;

#endif
