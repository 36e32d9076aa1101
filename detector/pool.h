/*
 * Pooling over windows of the image plane.
 */
#ifndef DETECTOR_POOL_H
#define DETECTOR_POOL_H

#include "detector/pass.h"
#include "detector/tensor.h"

struct max_pool {
    const char *name; /* for the profile */
    int kernel;
    int stride;
    int pad;
    bool ceil; /* Caffe: the last, partial window counts; else floor, as torch by default */
};

/* Length of the output along one side (BVLC Caffe, pooling_layer.cpp). */
int max_pool_side(const struct max_pool *pool, int in);

struct tensor max_pool_run(const struct max_pool *pool, struct pass *pass, const struct tensor *x);

/* Mean over each image's pixels: out[n][c]. */
void average_pool(struct pass *pass, const char *name, const struct tensor *x, float *out);

#endif
