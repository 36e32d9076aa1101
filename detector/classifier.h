/*
 * What frame and clip networks end with: a fully connected layer over mean-pooled features, and a
 * softmax.
 */
#ifndef DETECTOR_CLASSIFIER_H
#define DETECTOR_CLASSIFIER_H

#include "detector/conv.h"
#include "detector/model.h"

/* Reads the layer `name` of `in` features, one output a class of the vocabulary, which may be empty
 * where the classes have no names; `cubic`: stored as a 1x1x1 convolution. */
void classifier_build(struct model *m, const char *name, int in, bool cubic, struct conv *c);

/* features [n][in] -> scores [n][classes], in workspace memory. */
const float *classifier_run(const struct conv *c, struct pass *pass, float *features, int n);

#endif
