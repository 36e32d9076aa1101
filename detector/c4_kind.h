/*
 * The programs whose C4 networks are known: what they call their tensors, and the rules in which
 * they differ and which no number in a config expresses.
 */
#ifndef DETECTOR_C4_KIND_H
#define DETECTOR_C4_KIND_H

#include "detector/model.h"
#include "detector/proposals.h"
#include "detector/resnet.h"

struct c4_kind {
    const char *name; /* "conventions" in the config */

    /* tensors; those that end in a dot are prefixes */
    enum resnet_names blocks;
    const char *conv1;
    const char *body; /* res2, res3 and res4 */
    const char *res5;
    const char *rpn_hidden;
    const char *rpn_score;
    const char *rpn_delta;
    const char *class_score;
    const char *box_delta;
    const char *attributes;

    /* proposals */
    bool caffe_anchors; /* else detectron2's */
    enum objectness objectness;
    const struct box_coder *coder;
    float nms_plus;
    bool strict;         /* IoU > threshold suppresses, else >= */
    bool original_sizes; /* small boxes are judged in px of the original image, before counting */

    /* regions */
    bool align;           /* RoI align, else RoI max pooling */
    bool half_pixel;      /* ... as ROIAlignV2 */
    bool background_last; /* in the class scores, else first */
    bool second_weights;  /* box deltas are divided by (10, 10, 5, 5) */
    bool class_boxes;     /* exports each class' moved boxes, else the proposals */
    bool survivors;       /* a proposal's object is the class that gave its confidence, and there
                             must be one; else simply its best class */
};

/* By the config's "conventions", Caffe's when it has none; an unknown one is the model's error. */
const struct c4_kind *c4_kind_find(struct model *m);

#endif
