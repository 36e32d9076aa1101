/*
 * Which regions are exported (BUTD tools/generate_tsv.py, and VinVL's filter_results_peter() after
 * it): per-class NMS of the proposals themselves, a region's confidence is its best score among the
 * classes whose NMS it survived, then a threshold with a least and a greatest number.
 */
#ifndef DETECTOR_SELECT_H
#define DETECTOR_SELECT_H

#include "detector/box.h"
#include "detector/pass.h"

struct select_rule {
    float class_nms; /* an IoU at or above it suppresses */
    float nms_plus;  /* as box_iou() */
    double threshold;
    int min_boxes;
    int max_boxes;
    bool survivors_only; /* a region suppressed in all classes is never exported */
};

/* What is known of every region: its confidence, and the class that gave it (0: none). */
struct rating {
    float conf;
    uint32_t cls;
};

/* box[n], prob [n][classes] with background at column 0 -> the chosen indices in
 * chosen[max_boxes], in falling order of confidence (equal ones by index), and every region's
 * rating[n]; returns how many were chosen. `room` is the largest n of any image, so that a dry pass
 * takes the same memory. */
size_t select_regions(const struct select_rule *rule, struct pass *pass, const struct box *box,
                      const float *prob, size_t n, size_t room, size_t classes, uint32_t *chosen,
                      struct rating *rating);

#endif
