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

/* How deltas dx, dy, dw, dh move a box (Girshick et al. 2014, appendix C). */
struct box_coder {
    float plus;      /* of the box that is moved */
    float short_by;  /* x2 and y2 of the result lie so much before its centre + half its size */
    float weight[4]; /* deltas are divided by these */
    float limit;     /* on dw and dh */
};

/* py-faster-rcnn's (BUTD lib/fast_rcnn/bbox_transform.py): +1, no weights, no limit; results are
 * one pixel wider than what they came from.  maskrcnn-benchmark's is +1 but without that pixel.
 * torchvision's and detectron2's measure.  The latter two have dw and dh <= log(1000 / 16). */
extern const struct box_coder box_coder_caffe;
extern const struct box_coder box_coder_maskrcnn;
extern const struct box_coder box_coder_torch;

/* The same with the weights (10, 10, 5, 5) of a second stage. */
struct box_coder box_coder_second(struct box_coder coder);

struct box box_decode(const struct box_coder *coder, struct box b, const float delta[4]);

/* Into [0, width - plus] x [0, height - plus]. */
struct box box_clip(struct box b, float width, float height, float plus);

/* The smallest float above `x`: a rule that says "> x" is one that says ">= above(x)". */
float above(double x);

/* Caffe's anchors (BUTD lib/rpn/generate_anchors.py): ratio-major, whole pixels, rounded half to
 * even; `out` holds ratio_count * scale_count. */
void anchors_generate(double base, const double *ratios, int ratio_count, const double *scales,
                      int scale_count, struct box *out);

/* Anchors about the origin, of width size / sqrt(ratio) and height size * sqrt(ratio): detectron2's
 * (anchor_generator.py), size-major, or torchvision's (anchor_utils.py), ratio-major and in whole
 * pixels, rounded half to even. */
void anchors_detectron2(const double *sizes, int size_count, const double *ratios, int ratio_count,
                        struct box *out);
void anchors_torchvision(double size, const double *ratios, int ratio_count, struct box *out);

#endif
