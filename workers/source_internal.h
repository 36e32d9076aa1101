/* What source.c shares with the kinds of sources (source_*.c). */
#ifndef WORKERS_SOURCE_INTERNAL_H
#define WORKERS_SOURCE_INTERNAL_H

#include <stdbool.h>

#include "workers/source.h"

/* A kind of source.  `state` is its own. */
struct source_kind {
    int (*next)(void *state, struct source_item *out);
    void (*close)(void *state);
};

struct source {
    const struct source_kind *kind;
    void *state;
    uint64_t total;
    char *name;
};

int coco_open(const char *path, const char *images, struct source *out) MUST_CHECK;
int coco_root_open(const char *path, const struct source_options *options,
                   struct source *out) MUST_CHECK;
int folder_open(const char *path, struct source *out) MUST_CHECK;
int lines_open(const char *path, bool tsv, struct source *out) MUST_CHECK;

/* `name` itself when absolute, else below `dir`; malloc'ed. */
char *path_below(const char *dir, const char *name);

#endif
