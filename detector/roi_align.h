/*
 * RoI align (He et al. 2017): each bin is the mean of bilinear samples (torchvision
 * csrc/ops/cpu/roi_align_kernel.cpp and roi_align_common.h, which detectron2 uses, too).
 */
#ifndef DETECTOR_ROI_ALIGN_H
#define DETECTOR_ROI_ALIGN_H

#include <stdbool.h>

#include "detector/box.h"
#include "detector/pass.h"
#include "detector/tensor.h"

enum { ROI_LEVELS = 4 };

struct roi_align {
    int levels;              /* feature maps */
    float scale[ROI_LEVELS]; /* feature px a network px */
    bool aligned; /* detectron2's ROIAlignV2: half a pixel further to the upper left, and a RoI may
                     be smaller than a pixel */
    int sampling; /* samples along a bin's side; 0: as many as it has pixels, rounded up */
};

/* map[levels], each [1][h][w][c]; roi[n] in network px, each pooled from map[level[n]] (`level` may
 * be NULL: the first) -> y [n][side][side][c], whose n may be larger than count: only `count` are
 * filled. */
void roi_align(const struct roi_align *op, struct pass *pass, const struct tensor *map,
               const struct box *roi, const uint8_t *level, size_t count, const struct tensor *y);

#endif
