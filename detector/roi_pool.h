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

#endif
