/*
 * Which detections come out of torchvision and detectron2: every class moves every RoI by its own
 * deltas; the boxes that score enough go through NMS class by class, and the best are kept.  One
 * RoI may come out several times, under several classes.
 *
 * Sources: torchvision models/detection/roi_heads.py, postprocess_detections; detectron2
 * modeling/roi_heads/fast_rcnn.py, fast_rcnn_inference_single_image.
 */
#ifndef DETECTOR_CLASS_BOXES_H
#define DETECTOR_CLASS_BOXES_H

#include "detector/export.h"
#include "detector/preprocess.h"

struct class_box_rule {
    struct box_coder coder;
    int first_delta; /* the class whose deltas come first: 0 background, 1 the first object */
    float min_side;  /* network px; a smaller box is dropped */
    double nms;      /* an IoU above it suppresses */
    float threshold; /* a score must be above it ... */
    int min_boxes;   /* ... but so many come out even below, if there are */
    int max_boxes;
    bool drop_empty; /* boxes are clipped once more in the original image, empty ones dropped:
                        detectron2 modeling/postprocessing.py */
};

struct class_box {
    uint32_t roi;
    uint32_t cls; /* 1 is the first object */
    float score;
    struct box box; /* network px, inside the image */
};

/* What is known of the RoIs.  `room` is the largest n of any image, so that a dry pass takes the
 * same memory. */
struct class_box_rois {
    size_t n;
    size_t room;
    size_t classes;
    const struct box *box; /* [n] network px */
    const float *prob;     /* [n][classes] background at column 0 */
    const float *delta;    /* [n][4 * (classes - rule->first_delta)] */
    int width;             /* of the image in the network, without padding */
    int height;
};

/* Detections in falling order of score into out[rule->max_boxes]; returns how many (in a dry pass,
 * the most there can be). */
size_t class_boxes_select(const struct class_box_rule *rule, struct pass *pass,
                          const struct class_box_rois *rois, struct class_box *out);

/* The same in the original image, as regions whose refined box is the box itself; returns how many
 * are left (in a dry pass, n). */
size_t class_boxes_place(const struct class_box_rule *rule, struct pass *pass,
                         const struct geometry *g, const struct class_box *found, size_t n,
                         struct region *out);

/* The layers before: features [n][score->in] -> prob [n][classes], in workspace memory.
 * `background_last`: where the layer has it; prob has it first. */
float *class_probabilities(const struct conv *score, bool background_last, struct pass *pass,
                           float *feature, size_t n, size_t room);

/* All of it: deltas of rois->n features (rois->delta is not looked at), choice and place. */
size_t class_boxes_run(const struct class_box_rule *rule, const struct conv *deltas,
                       struct pass *pass, const struct geometry *g, struct class_box_rois rois,
                       float *feature, struct region *out);

#endif
