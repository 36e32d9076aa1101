/*
 * Reader of .caffemodel files: a protobuf NetParameter (caffe.proto), of which only the layers'
 * names and blobs are read, in the current form (field 100) and the one before (field 2).
 *
 * The file is mapped; blobs are borrowed from it until caffemodel_close().  Walked by hand: four
 * wire types and a dozen field numbers are all there is to it, and every length is checked.
 */
#ifndef DETECTOR_CAFFEMODEL_H
#define DETECTOR_CAFFEMODEL_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum { CAFFE_DIMS = 8, CAFFE_BLOBS = 4 };

struct caffe_blob {
    int dims;
    uint64_t shape[CAFFE_DIMS]; /* as stored; old files pad with ones in front */
    uint64_t count;             /* floats */
    const unsigned char *data;  /* little-endian, not aligned */
};

struct caffe_layer {
    const char *name; /* owned by the model */
    int blobs;
    struct caffe_blob blob[CAFFE_BLOBS];
};

struct caffemodel;

/* Layers without blobs are left out.  E_NO_FILE, E_FORMAT with the byte where it went wrong. */
int caffemodel_open(const char *path, struct caffemodel **out) MUST_CHECK;
void caffemodel_close(struct caffemodel *model);

size_t caffemodel_layers(const struct caffemodel *model);
const struct caffe_layer *caffemodel_layer(const struct caffemodel *model, size_t i);

/* The layer of that name; NULL when there is none. */
const struct caffe_layer *caffemodel_find(const struct caffemodel *model, const char *name);

/* The blob's i-th float. */
float caffe_blob_at(const struct caffe_blob *blob, uint64_t i);

#endif
