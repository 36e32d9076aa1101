/*
 * A weight file's named arrays, whatever its format: .safetensors, torch .pth and .pt (zip, and the
 * form before torch 1.6), a pickle of numpy arrays (detectron2 .pkl), .caffemodel.
 *
 *     weights_open("model.pth", &w);                  the format is told by the content
 *     const struct weights_array *a = weights_find(w, "conv1.weight");
 *     weights_values(a, 0, a->count, doubles);
 *     weights_close(w);
 *
 * The file is mapped and arrays are views of it, so opening costs no more than reading the names.
 * Everything handed out is valid until weights_close().  Any thread may call; a set is read-only
 * once open.
 *
 * Names are those of the file, except that a prefix which wrappers put before all of them
 * ("module.") is gone, and that a Caffe layer's blobs are named as torch would: LAYER.weight and
 * LAYER.bias, and for a BatchNorm layer LAYER.running_mean, LAYER.running_var (both still sums) and
 * LAYER.factor (what they are to be divided by).
 */
#ifndef DETECTOR_WEIGHTS_H
#define DETECTOR_WEIGHTS_H

#include <stdbool.h>

#include "common/bytes.h"
#include "common/err.h"

enum { WEIGHTS_DIMS = 8, WEIGHTS_NAME_MAX = 255, WEIGHTS_ARRAYS_MAX = 1 << 16 };

/* X(type, its name, bytes) */
#define WEIGHTS_TYPES(X)       \
    X(WEIGHTS_F32, "F32", 4)   \
    X(WEIGHTS_F16, "F16", 2)   \
    X(WEIGHTS_BF16, "BF16", 2) \
    X(WEIGHTS_F64, "F64", 8)   \
    X(WEIGHTS_I64, "I64", 8)   \
    X(WEIGHTS_I32, "I32", 4)   \
    X(WEIGHTS_I16, "I16", 2)   \
    X(WEIGHTS_I8, "I8", 1)     \
    X(WEIGHTS_U8, "U8", 1)     \
    X(WEIGHTS_BOOL, "BOOL", 1)

enum weights_type {
#define X(type, name, bytes) type,
    WEIGHTS_TYPES(X)
#undef X
};

struct weights_array {
    char *name; /* printable, at most WEIGHTS_NAME_MAX bytes */
    enum weights_type type;
    int dims;
    uint64_t shape[WEIGHTS_DIMS];
    uint64_t stride[WEIGHTS_DIMS]; /* elements from one index to the next, of each dimension */
    uint64_t count;                /* elements */
    const unsigned char *data;     /* the first; little-endian, perhaps not aligned */
};

struct weights;

/* E_NO_FILE; E_TRUNCATED and E_FORMAT with what is wrong and where; E_CHECKSUM; E_MODEL for a file
 * that asks to run code, or holds no arrays. */
int weights_open(const char *path, struct weights **out) MUST_CHECK;

/* The same for bytes in memory, which must outlive the set; `path` is for messages. */
int weights_read(const char *path, struct view file, struct weights **out) MUST_CHECK;

void weights_close(struct weights *w);

const char *weights_path(const struct weights *w);

/* Arrays in the order of their names. */
size_t weights_count(const struct weights *w);
const struct weights_array *weights_at(const struct weights *w, size_t i);

/* The array of that name; NULL when there is none. */
const struct weights_array *weights_find(const struct weights *w, const char *name);

const char *weights_type_name(enum weights_type type);
size_t weights_type_bytes(enum weights_type type);
bool weights_type_is_float(enum weights_type type);

/* Elements [from, from + n) of a float array in row-major order, without rounding. */
void weights_values(const struct weights_array *a, uint64_t from, uint64_t n, double *out);

#endif
