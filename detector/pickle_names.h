/*
 * The names that a pickle of weights may call or mention: all that torch and numpy write there, and
 * a few that stand beside weights in checkpoints.  Everything else is refused, so a name is added
 * only where published weights have it and reading it as data does no harm.
 */
#ifndef DETECTOR_PICKLE_NAMES_H
#define DETECTOR_PICKLE_NAMES_H

#include "detector/pickle.h"

struct pickle_name {
    const char *module;
    const char *name;
    enum pickle_global global;
    enum weights_type storage_type; /* of a GLOBAL_STORAGE */
};

/* NULL for a name that is refused. */
const struct pickle_name *pickle_name_find(struct view module, struct view name);

#endif
