/*
 * Writers of weight files for the readers' tests, byte by byte: .caffemodel, pickles, torch's zip
 * and legacy files.  Each appends to a buffer; shapes end with their number of dimensions.
 */
#ifndef TESTS_UNIT_WEIGHTS_FIXTURE_H
#define TESTS_UNIT_WEIGHTS_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "detector/weights.h"

/* Reads the bytes as a weight file, from a copy that ends where they end, so that AddressSanitizer
 * sees a step beyond them; the copy lives until the next call. */
int open_bytes(const struct buf *bytes, struct weights **out);

/* Whether the bytes are refused with that code, by a sentence with `part` in it. */
void refuses_bytes(const struct buf *bytes, int rc, const char *part);

/* Opens every beginning of the file, and the file with each byte inverted: all beginnings but the
 * whole are refused, and nothing crashes. */
void survive_damage(struct buf *bytes);

/* ---- .caffemodel ---- */

/* A protobuf field of bytes. */
void caffe_bytes(struct buf *b, int field, const void *p, size_t n);

/* A blob field in the current form, or with the four numbers of old. */
void caffe_blob(struct buf *layer, int field, bool old, int dims, const unsigned *shape,
                const float *data);

/* A layer of the current form; its blobs all have the same shape, but the third is one number. */
void caffe_layer(struct buf *net, const char *name, int blobs, const float *const *data, int dims,
                 const unsigned *shape);

/* ---- pickles, protocol 2 ---- */

void pickle_op(struct buf *b, const char *opcodes);
void pickle_begin(struct buf *b); /* PROTO 2 */
void pickle_text(struct buf *b, const char *text);
void pickle_int(struct buf *b, int32_t n);
void pickle_ints(struct buf *b, int dims, const unsigned *n); /* a tuple */
void pickle_global(struct buf *b, const char *module, const char *name);

/* A tensor in the storage `key` of `elements` of the torch class `type` ("FloatStorage"). */
struct tensor_plan {
    const char *key;
    const char *type;
    unsigned elements;
    unsigned offset;
    int dims;
    unsigned shape[4];
    unsigned stride[4];
    bool has_part; /* a legacy view of the storage */
    unsigned part_from;
    unsigned part_elements;
};

void pickle_tensor(struct buf *b, const struct tensor_plan *t);

/* An array of numpy; `dtype` as "f4", `raw` its bytes. */
void pickle_ndarray(struct buf *b, const char *dtype, const char *order, bool fortran, int dims,
                    const unsigned *shape, const void *raw, size_t bytes);

/* ---- torch ---- */

/* The archive's data.pkl and its storages "0", "1", ... */
void torch_zip(struct buf *out, const struct buf *pickle, int storages, const struct buf *storage);

/* The legacy form; storage i has the key "i" and `elements[i]` numbers. */
void torch_legacy(struct buf *out, const struct buf *pickle, int storages,
                  const struct buf *storage, const unsigned *elements);

/* An entry of a zip archive, to be listed by zip_end(). */
struct zip_plan {
    struct buf archive;
    struct buf directory;
    unsigned entries;
    bool wide; /* in the form of Zip64: every size and offset in 64 bits */
};

void zip_begin(struct zip_plan *z);
void zip_add(struct zip_plan *z, const char *name, const void *p, size_t n);
void zip_end(struct zip_plan *z, struct buf *out); /* releases the plan */

#endif
