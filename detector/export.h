/*
 * From chosen regions to `struct detections`: their rows of features and class probabilities are
 * copied together, in workspace memory that stays taken until the session's next image.
 */
#ifndef DETECTOR_EXPORT_H
#define DETECTOR_EXPORT_H

#include "detector/box.h"
#include "detector/model.h"
#include "detector/pass.h"

enum { REGIONS_MAX = 4000 /* an image */ };

/* How many regions are exported. */
struct export_limits {
    int min_boxes; /* so many even below the threshold, if there are */
    int max_boxes;
    double threshold; /* of a region's confidence */
};

/* The config's "min_boxes", "max_boxes" and "conf_threshold", unless the options say otherwise: a
 * least number above the config's greatest raises that, a greatest below its least lowers it. */
struct export_limits export_limits_read(struct model *m, const struct detector_options *options);

struct region {
    uint32_t roi;      /* whose feature and probabilities it has */
    uint16_t object;   /* 0-based, without background */
    float conf;        /* what it was chosen for */
    float object_conf; /* its object's probability */
    struct box box;    /* px of the original image */
    struct box refined;
};

/* Rows of all RoIs. */
struct roi_rows {
    size_t dim;
    size_t classes;
    const float *feature; /* [][dim] */
    const float *prob;    /* [][classes] */
};

/* Fills everything but the attributes.  Memory is taken for `room` regions, so that a dry pass
 * takes as much. */
void export_regions(struct pass *pass, const struct region *region, size_t n, size_t room,
                    const struct roi_rows *rows, struct detections *out);

#endif
