/*
 * The naming habits of the programs that write weights: pure functions of names.
 */
#ifndef DETECTOR_IMPORT_NAMES_H
#define DETECTOR_IMPORT_NAMES_H

#include <stdbool.h>

#include "detector/weights.h"

enum { IMPORT_NAME_ROOM = WEIGHTS_NAME_MAX + 33 };

/* Whether an array is no weight that a network computes with. */
bool import_drops(const char *name);

/* The name of today for an array's name; `out` has IMPORT_NAME_ROOM bytes. */
void import_rename(const char *architecture, const char *name, char *out);

/* Where one module stands under two names (VinVL's attribute head uses the box head's extractor),
 * the first name of an array that has the second; false for all others. */
bool import_twin(const char *name, char *out);

/* The convolution before the normalisation `norm` ("res2.0.conv1.norm" -> "res2.0.conv1",
 * "layer1.0.bn1" -> "layer1.0.conv1", "downsample.1" -> "downsample.0", Caffe's "bn2a_branch1" ->
 * "res2a_branch1"), and the layer that holds its weight and bias (itself, but Caffe's
 * "scale2a_branch1"); false where the name is of no known form. */
bool import_norm_of(const char *norm, char *convolution, char *affine);

#endif
