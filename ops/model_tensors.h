/*
 * pairmill model tensors: what is in a weight file, before it is imported.
 */
#ifndef OPS_MODEL_TENSORS_H
#define OPS_MODEL_TENSORS_H

#include "common/err.h"

/* Prints a line for each array of any weight file that detector/weights.h reads: name, type, shape,
 * least and largest value and mean (of those of a float type).  Reads every number. */
int model_tensors_print(const char *path) MUST_CHECK;

#endif
