/*
 * The proposal layer of a region proposal network (BUTD lib/rpn/proposal_layer.py): anchors moved
 * by the predicted deltas, clipped, small ones dropped, the best kept by score and NMS.
 */
#ifndef DETECTOR_PROPOSALS_H
#define DETECTOR_PROPOSALS_H

#include "detector/box.h"
#include "detector/pass.h"
#include "detector/tensor.h"

enum { ANCHORS_MAX = 64 };

struct proposal_rule {
    int stride; /* network px a feature px */
    int anchors;
    struct box anchor[ANCHORS_MAX]; /* at feature pixel (0, 0) */
    int pre_nms;
    int post_nms;
    float nms;
    float min_size; /* px of the original image */
};

/* score [1][h][w][2A]: channels [0, A) background, [A, 2A) foreground; delta [1][h][w][4A]. Writes
 * at most rule->post_nms boxes, network px, best first, to `out`; returns how many (in a dry pass,
 * the most there can be).  net_width and net_height in px; `scale` as in struct geometry. */
size_t proposals_run(const struct proposal_rule *rule, struct pass *pass,
                     const struct tensor *score, const struct tensor *delta, int net_width,
                     int net_height, double scale, struct box *out);

#endif
