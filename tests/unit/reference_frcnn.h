/*
 * Small Faster R-CNNs of torchvision's, detectron2's and maskrcnn-benchmark's making, and their
 * graphs in double precision, written from those programs' Python without looking at detector/.
 *
 * The image is as large as the network wants it, so that it is not resized.
 */
#ifndef TESTS_UNIT_REFERENCE_FRCNN_H
#define TESTS_UNIT_REFERENCE_FRCNN_H

#include "detector/safetensors.h"
#include "reference_regions.h"

enum frcnn_kind { FRCNN_FPN, FRCNN_FPN_V2, FRCNN_DETECTRON2, FRCNN_MASKRCNN };

struct frcnn_plan {
    enum frcnn_kind kind;
    uint64_t seed;
    int width; /* of the image and, without padding, in the network */
    int height;
    double threshold; /* of detections' scores */
    int min_boxes;
    int max_boxes;
};

void frcnn_plan_write(const struct frcnn_plan *plan, const char *path);

void reference_frcnn(const struct frcnn_plan *plan, const struct safetensors *weights,
                     const uint8_t *rgb, struct reference_regions *out);

#endif
