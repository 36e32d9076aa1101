/*
 * RoI max pooling, Caffe's arithmetic (roi_pooling_layer.cpp; torchvision's RoIPool is the same):
 * corners rounded half away from zero, bins of single-precision size, an empty bin gives 0.
 */
#ifndef DETECTOR_ROI_POOL_H
#define DETECTOR_ROI_POOL_H

#include "detector/box.h"
#include "detector/pass.h"
#include "detector/tensor.h"

/* roi[n] in network pixels, features x [1][h][w][c] at `scale` feature pixels a network pixel ->
 * y [n][side][side][c], whose n may be larger than count: only `count` are filled. */
void roi_pool(const struct tensor *x, const struct box *roi, size_t count, float scale,
              const struct tensor *y);

/* Corners are rounded, so neighbouring RoIs often pool the same feature pixels and must not differ
 * in anything but their boxes.  Writes the first RoI of each kind, in order, to `distinct` and
 * which of those stands for roi[i] to of[i]; returns how many there are. */
size_t roi_pool_distinct(const struct box *roi, size_t n, float scale, struct box *distinct,
                         uint32_t *of);

#endif
