/*
 * Writer of .safetensors files: tensors are added one by one, then the file is written at once.
 *
 *     safetensors_writer_init(&w);
 *     safetensors_writer_metadata(&w, "format", "pairmill-model/1");
 *     safetensors_writer_add(&w, "conv1.weight", 4, shape, &floats);
 *     safetensors_writer_save(&w, path);
 *     safetensors_writer_release(&w);
 */
#ifndef DETECTOR_SAFETENSORS_WRITE_H
#define DETECTOR_SAFETENSORS_WRITE_H

#include <jansson.h>

#include "common/buf.h"

struct safetensors_writer {
    json_t *header;
    json_t *metadata; /* borrowed from header */
    struct buf data;
};

int safetensors_writer_init(struct safetensors_writer *w) MUST_CHECK;
void safetensors_writer_release(struct safetensors_writer *w);

int safetensors_writer_metadata(struct safetensors_writer *w, const char *key,
                                const char *value) MUST_CHECK;

/* Adds an F32 tensor and returns its floats in *out, to be filled before the next call. */
int safetensors_writer_add(struct safetensors_writer *w, const char *name, int dims,
                           const uint64_t *shape, float **out) MUST_CHECK;

/* Writes the file atomically. */
int safetensors_writer_save(struct safetensors_writer *w, const char *path) MUST_CHECK;

#endif
