/*
 * Where a command that makes one result of each image puts them: into the file that was named, or
 * each into a file of its own in a folder, named after the image.
 */
#ifndef OPS_RESULT_PLACE_H
#define OPS_RESULT_PLACE_H

#include "common/err.h"

struct result_place {
    const char *option;    /* that names it, "npz" */
    const char *path;      /* a file where it ends with the extension, else a folder */
    const char *extension; /* ".npz" */
};

/* "photos/cat.01.jpg" -> "cat.01"; malloc'ed; NULL only out of memory. */
char *result_stem(const char *image);

/* Whether no result would overwrite another, where every `together` of the n images, the first of
 * which gives the name, make one; sorts, so n may be large.  E_ARG names two that would. */
int result_place_check(const struct result_place *place, char *const *image, int n,
                       int together) MUST_CHECK;

/* The file for one result, malloc'ed; makes the folder. */
int result_place_path(const struct result_place *place, const char *stem, char **out) MUST_CHECK;

#endif
