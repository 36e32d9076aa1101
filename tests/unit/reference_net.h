/*
 * Layers in double precision, written plainly: planes instead of interleaved channels, loops
 * instead of matrix products.  What they allocate lives until reference_free().
 */
#ifndef TESTS_UNIT_REFERENCE_NET_H
#define TESTS_UNIT_REFERENCE_NET_H

#include "detector/safetensors.h"

/* v[c][y][x] */
struct map {
    int c;
    int h;
    int w;
    double *v;
};

void *reference_keep(size_t n, size_t size);
void reference_free(void);

struct map map_new(int c, int h, int w);

/* 0 outside. */
double map_at(struct map m, int c, int y, int x);

/* `layer`.`kind` of the file, aligned. */
const float *reference_weight(const struct safetensors *st, const char *layer, const char *kind,
                              const struct safetensors_tensor **t);

/* A convolution; its groups follow from the shapes. */
struct map map_convolve(const struct safetensors *st, const char *layer, struct map x, int stride,
                        int pad, int dilation, int relu);

double *reference_full(const struct safetensors *st, const char *layer, const double *x,
                       int *outputs);
void reference_softmax(double *x, int n);
int reference_best(const double *x, int n);

#endif
