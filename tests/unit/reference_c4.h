/*
 * The C4 graph in double precision, written from its prototxt and py-faster-rcnn's Python without
 * looking at detector/: planes instead of interleaved channels, loops instead of matrix products.
 */
#ifndef TESTS_UNIT_REFERENCE_C4_H
#define TESTS_UNIT_REFERENCE_C4_H

#include "detector/safetensors.h"
#include "detector_fixture.h"

struct reference_regions {
    int n;
    int dim;
    int classes;
    double *boxes;  /* [n][4] */
    double *conf;   /* [n] */
    int *object_id; /* [n] */
    int *attr_id;   /* [n] */
    double *attr_conf;
    double *features; /* [n][dim] */
    double *prob;     /* [n][classes] */
    double *refined;  /* [n][4] */
};

/* The weights are those of the file, everything else is the plan's. */
void reference_c4(const struct c4_plan *plan, const struct safetensors *weights, const uint8_t *rgb,
                  int width, int height, struct reference_regions *out);
void reference_regions_release(struct reference_regions *r);

#endif
