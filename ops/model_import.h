/*
 * pairmill model import: published weights to a pairmill model, checked by opening the result.
 */
#ifndef OPS_MODEL_IMPORT_H
#define OPS_MODEL_IMPORT_H

#include "common/err.h"

struct model_import {
    const char *from;       /* .caffemodel */
    const char *to;         /* .safetensors */
    const char *arch;       /* "butd-r101-c4" */
    const char *objects;    /* one name a line; of several, separated by commas, the first counts */
    const char *attributes; /* the same */
};

int model_import(const struct model_import *job) MUST_CHECK;

#endif
