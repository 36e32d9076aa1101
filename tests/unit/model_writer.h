/*
 * Model files with random weights, whole or spoilt.
 */
#ifndef TESTS_UNIT_MODEL_WRITER_H
#define TESTS_UNIT_MODEL_WRITER_H

#include <jansson.h>

#include "common/buf.h"
#include "detector_fixture.h"

struct model_writer {
    struct dice dice;
    const char *spoil;
    json_t *header;
    json_t *metadata; /* borrowed from header */
    struct buf data;
};

/* `spoil` names what is done to the file: NULL nothing, "-NAME" leaves out a tensor, "#NAME" makes
 * its first dimension one longer, "?NAME" puts a NaN in it, "!KEY" leaves out a metadata entry,
 * "=KEY" replaces it by nonsense. */
void model_writer_init(struct model_writer *w, uint64_t seed, const char *spoil);

/* A tensor of normal numbers of deviation `dev`. */
void model_writer_tensor(struct model_writer *w, const char *name, const int *shape, int dims,
                         float dev);

/* `name`.weight [out][in][kernel][kernel], or [out][in] of 2 dims, which keeps the input's scale
 * times `gain`, and `name`.bias. */
void model_writer_layer(struct model_writer *w, const char *name, int out, int in, int kernel,
                        int dims, float gain);

/* Metadata values are strings; structured ones become JSON text. Takes `value` over. */
void model_writer_metadata(struct model_writer *w, const char *key, json_t *value);

/* "kind 0", "kind 1", ... */
json_t *model_writer_names(const char *kind, int n);

/* Writes the file and frees the writer. */
void model_writer_save(struct model_writer *w, const char *path);

#endif
