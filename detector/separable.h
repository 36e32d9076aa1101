/*
 * A convolution over space and time in two steps: k x k in the plane, ReLU, then k along the frames
 * (S3D: Xie et al. 2018; R(2+1)D: Tran et al. 2018).
 */
#ifndef DETECTOR_SEPARABLE_H
#define DETECTOR_SEPARABLE_H

#include "detector/conv.h"
#include "detector/model.h"

struct separable {
    struct conv space;
    struct conv time;
};

/* Reads the convolutions `space` and `time` of `in` channels, padded by half their odd kernel;
 * `stride` is that of both. Widths come from the file's shapes. `relu` is of the second step. */
void separable_build(struct model *m, const char *space, const char *time, int in, int kernel,
                     int stride, bool relu, struct separable *s);

struct tensor separable_run(const struct separable *s, struct pass *pass, const struct tensor *x);

/* Into channels [at, at + s->time.out) of y, as conv_run_into(). */
void separable_run_into(const struct separable *s, struct pass *pass, const struct tensor *x,
                        const struct tensor *y, int at);

/* y = act(y + result), as conv_add(). */
void separable_add(const struct separable *s, struct pass *pass, const struct tensor *x,
                   const struct tensor *y);

#endif
