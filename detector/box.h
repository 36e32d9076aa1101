/*
 * Boxes: x1, y1, x2, y2 in pixels, single precision.  Two conventions are in use: Caffe's counts
 * pixels, so a box is x2 - x1 + 1 wide; torch's measures, x2 - x1.  `plus` is 1 or 0 accordingly.
 */
#ifndef DETECTOR_BOX_H
#define DETECTOR_BOX_H

#include <stddef.h>
#include <stdint.h>

struct box {
    float x1;
    float y1;
    float x2;
    float y2;
};

float box_area(struct box b, float plus);
float box_iou(struct box a, struct box b, float plus);

/* Moves `b` by the regression deltas dx, dy, dw, dh (Girshick et al. 2014, appendix C; weights 1);
 * Caffe's arithmetic: BUTD lib/fast_rcnn/bbox_transform.py. */
struct box box_decode(struct box b, const float delta[4], float plus);

/* Into [0, width - plus] x [0, height - plus]. */
struct box box_clip(struct box b, float width, float height, float plus);

/* Caffe's anchors (BUTD lib/rpn/generate_anchors.py): ratio-major, whole pixels, rounded half to
 * even; `out` holds ratio_count * scale_count. */
void anchors_generate(double base, const double *ratios, int ratio_count, const double *scales,
                      int scale_count, struct box *out);

#endif
