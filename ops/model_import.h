/*
 * pairmill model import: published weights to a pairmill model, checked by opening the result.
 */
#ifndef OPS_MODEL_IMPORT_H
#define OPS_MODEL_IMPORT_H

#include <stdbool.h>

#include "common/err.h"

struct model_import {
    const char *from;       /* any weight file that detector/weights.h reads */
    const char *to;         /* .safetensors */
    const char *arch;       /* a network's name, "frcnn-r50-fpn" */
    const char *objects;    /* one name a line; of several, separated by commas, the first counts;
                             * NULL for the network's own */
    const char *attributes; /* the same */
    double eps;             /* of batch normalisation; NAN for the network's own */
};

/* What was made. */
struct model_imported {
    unsigned long long parameters;
    unsigned long long
        numbered; /* objects that are called "class 0" and so on, for want of names */
};

/* Writes the model, or nothing at all: a file that was there before stays until the new one has
 * been checked.  Errors name the weight file, the tensor or the label file. */
int model_import(const struct model_import *job, struct model_imported *out) MUST_CHECK;

#endif
