/*
 * Convolution with bias, and optionally ReLU and the sum with what the output held; in the image
 * plane, along the leading axis (a clip's frames), or both; in groups of channels.
 *
 * 1x1 convolutions and fully connected layers are matrix products (gemm.h); a plain 3x3 is computed
 * by Winograd's method (winograd.h); others gather their windows block by block (im2col) into a
 * matrix first.
 *
 * Narrow groups are taken together: the weights of neighbouring groups become one block-diagonal
 * matrix at least 32 channels wide (a "bundle"), since a matrix product of 8 columns would run at a
 * fraction of the speed.
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
    int groups; /* 0 is 1: each output sees all inputs */
    int kernel; /* square, in the plane */
    int stride;
    int pad;
    int dilation;
    int taps; /* along the leading axis; 0 is 1: images of a batch, apart from each other */
    int tap_stride;
    int tap_pad;
    bool relu;
    const float *weight; /* as conv_prepare() left it */
    const float *bias;   /* [out] */
};

static inline int conv_groups(const struct conv *c)
{
    return c->groups > 1 ? c->groups : 1;
}

/* How many floats conv_prepare() needs; after gemm_init(), as what follows. */
size_t conv_prepared_floats(const struct conv *c);

/* Rearranges `weight` [out][in / groups][taps][kernel][kernel] into `room`, 64-byte aligned, which
 * is borrowed for as long as the conv is used. */
void conv_prepare(struct conv *c, const float *weight, float *room);

/* Length of the output along one side of the plane, and along the leading axis. */
int conv_side(const struct conv *c, int in);
int conv_frames(const struct conv *c, int in);

/* y = act(conv(x) + bias), in workspace memory that the caller gives back. */
struct tensor conv_run(const struct conv *c, struct pass *pass, const struct tensor *x);

/* The same into channels [at, at + out) of y, which is wide enough: one branch of several that are
 * concatenated. */
void conv_run_into(const struct conv *c, struct pass *pass, const struct tensor *x,
                   const struct tensor *y, int at);

/* y = act(y + conv(x) + bias): a residual block's last convolution, onto its shortcut. */
void conv_add(const struct conv *c, struct pass *pass, const struct tensor *x,
              const struct tensor *y);

#endif
