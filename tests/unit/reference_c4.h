/*
 * The C4 graph in double precision, written from its prototxt and py-faster-rcnn's Python without
 * looking at detector/: planes instead of interleaved channels, loops instead of matrix products.
 */
#ifndef TESTS_UNIT_REFERENCE_C4_H
#define TESTS_UNIT_REFERENCE_C4_H

#include "detector/safetensors.h"
#include "detector_fixture.h"
#include "reference_regions.h"

/* The weights are those of the file, everything else is the plan's. */
void reference_c4(const struct c4_plan *plan, const struct safetensors *weights, const uint8_t *rgb,
                  int width, int height, struct reference_regions *out);

#endif
