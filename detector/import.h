/*
 * From a weight file's arrays to the tensors of a pairmill model (docs/model-format.md): names as
 * the architecture's builder asks for them, batch normalisation folded into the convolution before
 * it, everything in single precision.
 *
 * Folding is done in double precision and rounded once: for a convolution with weights w and bias b
 * (0 where it has none), w' = w g / sqrt(var + eps), b' = beta + (b - mean) g / sqrt(var + eps).
 */
#ifndef DETECTOR_IMPORT_H
#define DETECTOR_IMPORT_H

#include "detector/safetensors_write.h"
#include "detector/weights.h"

/* Adds the arrays to `out`.  `architecture` decides which older spellings are renamed, `eps` is its
 * normalisation's.  Nothing is dropped but what no network computes with (counters, anchors, pixel
 * means, a second name of the same array): what is missing or superfluous the architecture says
 * when the model is opened. E_MODEL names an array or a normalisation that cannot be understood. */
int import_weights(const struct weights *w, const char *architecture, double eps,
                   struct safetensors_writer *out) MUST_CHECK;

/* The network whose weights these look like, by a tensor that only it has: "frcnn-r50-fpn"; NULL
 * when none is known. */
const char *import_guess(const struct weights *w);

/* How many rows the class scores of `what` ("objects" or "attributes") have, background not
 * counted; 0 when the weights tell no classes apart. `published` says whether their names are known
 * to come in a file, so that numbers would not do. */
uint64_t import_classes(const struct weights *w, const char *what, bool *published);

#endif
