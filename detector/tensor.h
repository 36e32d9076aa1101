/*
 * Activations: single precision, channels innermost: p[n][h][w][c] without padding.
 *
 * With channels innermost a 1x1 convolution is one matrix product whose rows are pixels, a gather
 * is a run of memcpy, and every pointwise loop runs over contiguous memory.  A tensor owns nothing.
 */
#ifndef DETECTOR_TENSOR_H
#define DETECTOR_TENSOR_H

#include <stddef.h>

struct tensor {
    float *p;
    int n;
    int h;
    int w;
    int c;
};

static inline size_t tensor_pixels(const struct tensor *t)
{
    return (size_t)t->n * (size_t)t->h * (size_t)t->w;
}

static inline size_t tensor_count(const struct tensor *t)
{
    return tensor_pixels(t) * (size_t)t->c;
}

/* Pixel (y, x) of image n: c floats. */
static inline float *tensor_at(const struct tensor *t, int n, int y, int x)
{
    return t->p +
           (((size_t)n * (size_t)t->h + (size_t)y) * (size_t)t->w + (size_t)x) * (size_t)t->c;
}

#endif
