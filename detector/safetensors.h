/*
 * Reader of .safetensors files (https://github.com/huggingface/safetensors, "Format"): named arrays
 * after a JSON header, mapped read-only.
 *
 * Strict: the header is at most 100 MB, every tensor's bytes match its dtype and shape, and the
 * tensors cover the buffer exactly, without holes or overlap; so nothing can hide in the file and a
 * cut file is noticed at opening.  Everything handed out is valid until safetensors_close().
 */
#ifndef DETECTOR_SAFETENSORS_H
#define DETECTOR_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/err.h"

enum { SAFETENSORS_DIMS = 8 };

struct safetensors;

struct safetensors_tensor {
    const char *name;
    const char *dtype; /* "F32", "F16", "I64", ... */
    int dims;
    uint64_t shape[SAFETENSORS_DIMS];
    uint64_t count;   /* elements */
    const void *data; /* row-major, little-endian; perhaps not aligned */
    size_t bytes;
};

/* E_NO_FILE, E_TRUNCATED when the file is shorter than its header says, E_FORMAT for the rest. */
int safetensors_open(const char *path, struct safetensors **out) MUST_CHECK;

/* The same for bytes in memory, which must outlive the reader; `path` is for messages. */
int safetensors_read(const char *path, struct view file, struct safetensors **out) MUST_CHECK;

void safetensors_close(struct safetensors *st);

/* The whole file's bytes. */
struct view safetensors_file(const struct safetensors *st);

/* Lets go of the mapped file's pages that are in memory: what is still needed is read again. */
void safetensors_forget(const struct safetensors *st);

/* The __metadata__ entry `key`, NULL when there is none. */
const char *safetensors_metadata(const struct safetensors *st, const char *key);

/* Tensors in the order of their names. */
size_t safetensors_count(const struct safetensors *st);
const struct safetensors_tensor *safetensors_at(const struct safetensors *st, size_t i);

/* The tensor of that name, NULL when there is none; its index in *index where that is not NULL. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *st, const char *name,
                                                  size_t *index);

#endif
