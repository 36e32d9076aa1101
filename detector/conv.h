/*
 * Convolution with bias, and optionally ReLU and the sum with what the output held.
 *
 * 1x1 convolutions and fully connected layers are one matrix product with the weights as they lie
 * in the model file; a plain 3x3 is computed by Winograd's method (winograd.h); others gather their
 * windows block by block (im2col) into a matrix first.
 */
#ifndef DETECTOR_CONV_H
#define DETECTOR_CONV_H

#include <stdbool.h>
#include <stddef.h>

#include "detector/pass.h"
#include "detector/tensor.h"

struct conv {
    const char *name; /* for the profile */
    int in;           /* channels */
    int out;
    int kernel; /* square */
    int stride;
    int pad;
    int dilation;
    bool relu;
    const float *weight; /* [out][kernel][kernel][in], or as winograd_prepare() left it */
    const float *bias;   /* [out] */
};

/* How many floats conv_prepare() needs; 0 when the file's own layout serves. */
size_t conv_prepared_floats(const struct conv *c);

/* Sets c->weight from `weight` [out][in][kernel][kernel], rearranged into `room` where needed. Both
 * are borrowed for as long as the conv is used. */
void conv_prepare(struct conv *c, const float *weight, float *room);

/* Length of the output along one side. */
int conv_side(const struct conv *c, int in);

/* y = act(conv(x) + bias), in workspace memory that the caller gives back. */
struct tensor conv_run(const struct conv *c, struct pass *pass, const struct tensor *x);

/* y = act(y + conv(x) + bias): a residual block's last convolution, onto its shortcut. */
void conv_add(const struct conv *c, struct pass *pass, const struct tensor *x,
              const struct tensor *y);

#endif
