/*
 * What the readers of weight files share: each takes the file's bytes and adds its arrays.
 *
 * Adding a format: a file with its reader, declared here, and its row in weights.c.
 */
#ifndef DETECTOR_WEIGHTS_INTERNAL_H
#define DETECTOR_WEIGHTS_INTERNAL_H

#include "detector/safetensors.h"
#include "detector/weights.h"

struct weights {
    char *path;
    struct view file;
    bool mapped;                 /* by weights_open() */
    struct weights_array *array; /* sorted by name once open */
    size_t count;
    size_t room;
    void **owned; /* bytes that a reader had to decode */
    size_t owned_count;
    struct safetensors *safetensors; /* where the file is one; its arrays are views of it */
};

/* Adds an array; `a` says everything but the name and the count. E_FORMAT for a name that no layer
 * could have and for a shape that overflows. */
int weights_add(struct weights *w, struct view name, const struct weights_array *a) MUST_CHECK;

/* Whether a message may hold the name, too; weights_add() asks the same. */
int weights_check_name(const struct weights *w, struct view name) MUST_CHECK;

/* Sets the count that the shape makes; false where it is no number. */
bool weights_count_elements(struct weights_array *a);

/* Row-major strides for the array's shape; false where its elements cannot be counted. */
bool weights_set_contiguous(struct weights_array *a);

/* Takes malloc'ed bytes that live as long as the set; frees them where there is no memory left. */
int weights_own(struct weights *w, void *bytes) MUST_CHECK;

int weights_read_safetensors(struct weights *w) MUST_CHECK;
int weights_read_caffemodel(struct weights *w) MUST_CHECK;
int weights_read_torch_zip(struct weights *w) MUST_CHECK;
int weights_read_pickle(struct weights *w) MUST_CHECK; /* numpy arrays, or torch before 1.6 */

#endif
