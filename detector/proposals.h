/*
 * The proposal layer of a region proposal network: anchors moved by the predicted deltas, clipped,
 * small ones dropped, the best kept by score and NMS.
 *
 *     proposals_begin(&rule, pass, &set);
 *     proposals_add(&rule, pass, &grid, &score, &delta, width, height, &set);    once a feature map
 *     n = proposals_choose(&rule, pass, &set, out);
 *     proposals_end(pass, &set);
 *
 * Sources: BUTD lib/rpn/proposal_layer.py; torchvision models/detection/rpn.py; detectron2
 * modeling/proposal_generator/proposal_utils.py; maskrcnn-benchmark modeling/rpn/inference.py.
 */
#ifndef DETECTOR_PROPOSALS_H
#define DETECTOR_PROPOSALS_H

#include "detector/box.h"
#include "detector/pass.h"
#include "detector/tensor.h"

enum { ANCHORS_MAX = 64, PROPOSAL_LEVELS = 5 };

/* What the score map holds, and what proposals of all levels are ranked by. */
enum objectness {
    OBJECTNESS_SOFTMAX, /* [2A]: background of all anchors, then foreground; ranked by the log-odds,
                         * as the probability would but that it rounds to 1 */
    OBJECTNESS_LOGIT,   /* [A], ranked as they are */
    OBJECTNESS_SIGMOID, /* [A], ranked by their sigmoid: equal where that saturates */
};

struct proposal_rule {
    enum objectness objectness;
    struct box_coder coder;
    int levels;       /* feature maps */
    int pre_nms;      /* the best of each level that go on */
    int post_nms;     /* at most so many come out */
    float min_size;   /* network px: a side (+ the coder's plus) below it is small */
    bool small_first; /* small boxes are dropped before the best of a level are counted */
    float nms;        /* an IoU at or above suppresses, within a level */
    float nms_plus;   /* as box_iou() */
};

/* The anchors of one feature map: at its pixel (x, y), `anchor` moved by x and y strides. */
struct anchor_grid {
    int stride_x; /* network px */
    int stride_y;
    int anchors;
    const struct box *anchor;
};

/* Candidates of all levels so far, in workspace memory. */
struct proposal_set {
    size_t n;
    size_t room;
    size_t most; /* that `n` could have been */
    int level;   /* the next one's number */
    struct box *box;
    float *score;
    uint16_t *of_level;
};

void proposals_begin(const struct proposal_rule *rule, struct pass *pass, struct proposal_set *set);

/* score [1][h][w][A or 2A], delta [1][h][w][4A]; boxes are clipped to width x height px. */
void proposals_add(const struct proposal_rule *rule, struct pass *pass,
                   const struct anchor_grid *grid, const struct tensor *score,
                   const struct tensor *delta, int width, int height, struct proposal_set *set);

/* Writes at most rule->post_nms boxes, best first; returns how many (in a dry pass, the most there
 * can be). */
size_t proposals_choose(const struct proposal_rule *rule, struct pass *pass,
                        const struct proposal_set *set, struct box *out);

void proposals_end(struct pass *pass, const struct proposal_set *set);

#endif
