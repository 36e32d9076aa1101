/*
 * What a reference graph found, and its comparison with what the detector found.
 */
#ifndef TESTS_UNIT_REFERENCE_REGIONS_H
#define TESTS_UNIT_REFERENCE_REGIONS_H

#include "detector/detector.h"

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

/* Room for n regions, once n, dim and classes are set. */
void reference_regions_allocate(struct reference_regions *r);
void reference_regions_release(struct reference_regions *r);

/* Asserts that the detector found the same regions in the same order. */
void reference_regions_expect(const struct detections *got, const struct reference_regions *want);

#endif
