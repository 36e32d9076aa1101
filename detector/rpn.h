/*
 * The head of a region proposal network (Ren et al. 2015): 3x3 convolutions over a feature map,
 * then each pixel's scores and box deltas.
 */
#ifndef DETECTOR_RPN_H
#define DETECTOR_RPN_H

#include "detector/model.h"
#include "detector/proposals.h"

enum { RPN_DEPTH = 2 };

struct rpn {
    struct conv hidden[RPN_DEPTH];
    int depth;
    struct conv score;
    struct conv delta;
};

struct rpn_plan {
    const char *hidden[RPN_DEPTH]; /* tensor names; NULL where there are fewer */
    const char *score;
    const char *delta;
    int in; /* channels */
    int anchors;
    enum objectness objectness;
};

void rpn_build(struct model *m, const struct rpn_plan *plan, struct rpn *rpn);

/* score [1][h][w][A or 2A], delta [1][h][w][4A] of features [1][h][w][c], in workspace memory that
 * the caller gives back, delta first. */
void rpn_run(const struct rpn *rpn, struct pass *pass, const struct tensor *features,
             struct tensor *score, struct tensor *delta);

#endif
