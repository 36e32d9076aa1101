/*
 * Pooling over windows of the image plane, and of a clip's frames.
 */
#ifndef DETECTOR_POOL_H
#define DETECTOR_POOL_H

#include "detector/pass.h"
#include "detector/tensor.h"

struct max_pool {
    const char *name; /* for the profile */
    int kernel;
    int stride;
    int pad;   /* before and after each side */
    int extra; /* after alone, beyond `pad`; see max_pool_run() */
    bool ceil; /* Caffe: the last, partial window counts; else floor, as torch by default */
    int taps;  /* the same along the leading axis, whose images are a clip's frames; 0: each frame
                  by itself */
    int tap_stride;
    int tap_pad;
    int tap_extra;
};

/* Length of the output along one side of the plane, and along the leading axis (BVLC Caffe,
 * pooling_layer.cpp; torch's ceil_mode is the same). */
int max_pool_side(const struct max_pool *pool, int in);
int max_pool_frames(const struct max_pool *pool, int in);

/* What lies outside never wins, as if it were -infinity.  Where a source pads with zeros (as
 * TensorFlow's "SAME" does, whence `extra`) the result is its own only for an input that is not
 * negative: a ReLU's. */
struct tensor max_pool_run(const struct max_pool *pool, struct pass *pass, const struct tensor *x);

/* Mean over each image's pixels: out[n][c]. */
void average_pool(struct pass *pass, const char *name, const struct tensor *x, float *out);

/* Average pooling of a clip over windows of taps x kernel x kernel, stride 1, and the mean of all
 * that gives: out[c]. 0 is the whole side; a window is never larger than x. */
void clip_average(struct pass *pass, const char *name, const struct tensor *x, int taps, int kernel,
                  float *out);

#endif
