#include "weights_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void put(struct buf *b, const void *p, size_t n)
{
    cr_assert_eq(buf_append(b, p, n), 0, "%s", err_text());
}

static void put_le(struct buf *b, uint64_t v, size_t bytes)
{
    put(b, &v, bytes);
}

int open_bytes(const struct buf *bytes, struct weights **out)
{
    static void *copy; /* of the call before this */
    free(copy);
    copy = malloc(bytes->n);
    if (bytes->n) {
        memcpy(copy, bytes->p, bytes->n);
    }
    return weights_read("FILE", view_of(copy, bytes->n), out);
}

void refuses_bytes(const struct buf *bytes, int rc, const char *part)
{
    struct weights *w = NULL;
    const int got = open_bytes(bytes, &w);
    cr_assert_eq(got, rc, "%s instead of %s: %s", err_name(got), err_name(rc), err_text());
    cr_assert(strstr(err_text(), part), "\"%s\" is not in: %s", part, err_text());
}

/* Every number of every array, so that the sanitizers see where they lie. */
static void read_everything(const struct weights *w)
{
    for (size_t i = 0; i < weights_count(w); i++) {
        const struct weights_array *a = weights_at(w, i);
        for (uint64_t k = 0; weights_type_is_float(a->type) && k < a->count; k++) {
            double v;
            weights_values(a, k, 1, &v);
        }
    }
}

void survive_damage(struct buf *bytes)
{
    const size_t whole = bytes->n;
    for (bytes->n = 0; bytes->n < whole; bytes->n++) {
        struct weights *w = NULL;
        cr_assert_lt(open_bytes(bytes, &w), 0, "cut at %zu of %zu", bytes->n, whole);
    }
    for (size_t i = 0; i < whole; i++) {
        struct weights *w = NULL;
        bytes->p[i] ^= 0xff;
        if (open_bytes(bytes, &w) == 0) {
            read_everything(w);
            weights_close(w);
        }
        bytes->p[i] ^= 0xff;
    }
}

/* ---- .caffemodel ---- */

static void put_varint(struct buf *b, uint64_t v)
{
    do {
        const unsigned char byte = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        put(b, &byte, 1);
        v >>= 7;
    } while (v);
}

void caffe_bytes(struct buf *b, int field, const void *p, size_t n)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, n);
    put(b, p, n);
}

static size_t put_old_shape(struct buf *blob, int dims, const unsigned *shape)
{
    size_t count = 1;
    for (int d = 0; d < 4; d++) {
        const unsigned n = d < 4 - dims ? 1 : shape[d - (4 - dims)];
        put_varint(blob, (uint64_t)(d + 1) << 3);
        put_varint(blob, n);
        count *= n;
    }
    return count;
}

static size_t put_shape(struct buf *blob, int dims, const unsigned *shape)
{
    struct buf sizes;
    struct buf packed;
    size_t count = 1;
    buf_init(&sizes, 1000);
    buf_init(&packed, 1000);
    for (int d = 0; d < dims; d++) {
        put_varint(&sizes, shape[d]);
        count *= shape[d];
    }
    caffe_bytes(&packed, 1, sizes.p, sizes.n);
    caffe_bytes(blob, 7, packed.p, packed.n);
    buf_release(&sizes);
    buf_release(&packed);
    return count;
}

void caffe_blob(struct buf *layer, int field, bool old, int dims, const unsigned *shape,
                const float *data)
{
    struct buf blob;
    buf_init(&blob, 1 << 20);
    const size_t count = old ? put_old_shape(&blob, dims, shape) : put_shape(&blob, dims, shape);
    caffe_bytes(&blob, 5, data, count * sizeof *data);
    caffe_bytes(layer, field, blob.p, blob.n);
    buf_release(&blob);
}

void caffe_layer(struct buf *net, const char *name, int blobs, const float *const *data, int dims,
                 const unsigned *shape)
{
    struct buf layer;
    buf_init(&layer, 1 << 20);
    caffe_bytes(&layer, 1, name, strlen(name));
    for (int i = 0; i < blobs; i++) {
        const unsigned one = 1;
        caffe_blob(&layer, 7, false, i == 2 ? 1 : dims, i == 2 ? &one : shape, data[i]);
    }
    caffe_bytes(net, 100, layer.p, layer.n);
    buf_release(&layer);
}

/* ---- pickles ---- */

void pickle_op(struct buf *b, const char *opcodes)
{
    put(b, opcodes, strlen(opcodes));
}

void pickle_begin(struct buf *b)
{
    put(b, "\x80\x02", 2);
}

void pickle_text(struct buf *b, const char *text)
{
    pickle_op(b, "X");
    put_le(b, strlen(text), 4);
    put(b, text, strlen(text));
}

void pickle_int(struct buf *b, int32_t n)
{
    pickle_op(b, "J");
    put_le(b, (uint32_t)n, 4);
}

void pickle_ints(struct buf *b, int dims, const unsigned *n)
{
    pickle_op(b, "(");
    for (int d = 0; d < dims; d++) {
        pickle_int(b, (int32_t)n[d]);
    }
    pickle_op(b, "t");
}

void pickle_global(struct buf *b, const char *module, const char *name)
{
    pickle_op(b, "c");
    put(b, module, strlen(module));
    put(b, "\n", 1);
    put(b, name, strlen(name));
    put(b, "\n", 1);
}

void pickle_tensor(struct buf *b, const struct tensor_plan *t)
{
    pickle_global(b, "torch._utils", "_rebuild_tensor_v2");
    pickle_op(b, "((");
    pickle_text(b, "storage");
    pickle_global(b, "torch", t->type);
    pickle_text(b, t->key);
    pickle_text(b, "cpu");
    pickle_int(b, (int32_t)t->elements);
    if (t->has_part) {
        pickle_op(b, "(");
        pickle_text(b, "a part");
        pickle_int(b, (int32_t)t->part_from);
        pickle_int(b, (int32_t)t->part_elements);
        pickle_op(b, "t");
    }
    pickle_op(b, "tQ");
    pickle_int(b, (int32_t)t->offset);
    pickle_ints(b, t->dims, t->shape);
    pickle_ints(b, t->dims, t->stride);
    pickle_op(b, "\x89");
    pickle_global(b, "collections", "OrderedDict");
    pickle_op(b, ")RtR");
}

void pickle_ndarray(struct buf *b, const char *dtype, const char *order, bool fortran, int dims,
                    const unsigned *shape, const void *raw, size_t bytes)
{
    pickle_global(b, "numpy.core.multiarray", "_reconstruct");
    pickle_global(b, "numpy", "ndarray");
    pickle_ints(b, 1, (unsigned[]){0});
    pickle_op(b, "U\x01"
                 "b\x87R(");
    pickle_int(b, 1);
    pickle_ints(b, dims, shape);
    pickle_global(b, "numpy", "dtype");
    pickle_op(b, "(");
    pickle_text(b, dtype);
    pickle_op(b, "\x89\x88tR(");
    pickle_int(b, 3);
    pickle_text(b, order);
    pickle_op(b, "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff");
    pickle_int(b, 0);
    pickle_op(b, fortran ? "tb\x88T" : "tb\x89T");
    put_le(b, bytes, 4);
    put(b, raw, bytes);
    pickle_op(b, "tb");
}

/* ---- zip ---- */

void zip_begin(struct zip_plan *z)
{
    buf_init(&z->archive, 1 << 20);
    buf_init(&z->directory, 1 << 20);
    z->entries = 0;
    z->wide = false;
}

static void put_zip_fields(struct buf *b, const char *name, const void *p, size_t n, bool wide)
{
    put_le(b, 0, 2 + 2 + 2 + 2); /* flags, stored, time, date */
    put_le(b, crc32(0, p, (unsigned)n), 4);
    put_le(b, wide ? UINT32_MAX : n, 4);
    put_le(b, wide ? UINT32_MAX : n, 4);
    put_le(b, strlen(name), 2);
    put_le(b, wide ? 4 + 3 * 8 : 0, 2); /* extra */
}

/* The extra field with sizes and offset. */
static void put_extra64(struct buf *b, size_t n, size_t at)
{
    put_le(b, 1, 2);
    put_le(b, 3 * 8, 2);
    put_le(b, n, 8);
    put_le(b, n, 8);
    put_le(b, at, 8);
}

void zip_add(struct zip_plan *z, const char *name, const void *p, size_t n)
{
    const size_t at = z->archive.n;
    put(&z->archive, "PK\3\4\0\0", 6);
    put_zip_fields(&z->archive, name, p, n, false);
    put(&z->archive, name, strlen(name));
    put(&z->archive, p, n);
    put(&z->directory, "PK\1\2\0\0\0\0", 8);
    put_zip_fields(&z->directory, name, p, n, z->wide);
    put_le(&z->directory, 0, 2 + 2 + 2); /* comment, disk, attributes */
    put_le(&z->directory, 0, 4);
    put_le(&z->directory, z->wide ? UINT32_MAX : at, 4);
    put(&z->directory, name, strlen(name));
    if (z->wide) {
        put_extra64(&z->directory, n, at);
    }
    z->entries++;
}

/* The records that Zip64 has before the end. */
static void put_end64(const struct zip_plan *z, struct buf *out)
{
    const size_t at = out->n;
    put(out, "PK\6\6", 4);
    put_le(out, 44, 8); /* bytes that follow */
    put_le(out, 0, 2 + 2);
    put_le(out, 0, 4 + 4);
    put_le(out, z->entries, 8);
    put_le(out, z->entries, 8);
    put_le(out, z->directory.n, 8);
    put_le(out, z->archive.n, 8);
    put(out, "PK\6\7\0\0\0\0", 8);
    put_le(out, at, 8);
    put_le(out, 1, 4);
}

void zip_end(struct zip_plan *z, struct buf *out)
{
    put(out, z->archive.p, z->archive.n);
    put(out, z->directory.p, z->directory.n);
    if (z->wide) {
        put_end64(z, out);
    }
    put(out, "PK\5\6\0\0\0\0", 8);
    put_le(out, z->wide ? UINT16_MAX : z->entries, 2);
    put_le(out, z->wide ? UINT16_MAX : z->entries, 2);
    put_le(out, z->wide ? UINT32_MAX : z->directory.n, 4);
    put_le(out, z->wide ? UINT32_MAX : z->archive.n, 4);
    put_le(out, 0, 2);
    buf_release(&z->archive);
    buf_release(&z->directory);
}

/* ---- torch ---- */

void torch_zip(struct buf *out, const struct buf *pickle, int storages, const struct buf *storage)
{
    struct zip_plan z;
    zip_begin(&z);
    zip_add(&z, "archive/data.pkl", pickle->p, pickle->n);
    for (int i = 0; i < storages; i++) {
        char name[40];
        snprintf(name, sizeof name, "archive/data/%d", i);
        zip_add(&z, name, storage[i].p, storage[i].n);
    }
    zip_add(&z, "archive/version", "3\n", 2);
    zip_end(&z, out);
}

void torch_legacy(struct buf *out, const struct buf *pickle, int storages,
                  const struct buf *storage, const unsigned *elements)
{
    put(out, "\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.", 15);
    put(out, "\x80\x02M\xe9\x03.", 6);
    put(out, "\x80\x02}X\x0d\0\0\0little_endian\x88s.", 24);
    put(out, pickle->p, pickle->n);
    pickle_begin(out);
    pickle_op(out, "](");
    for (int i = 0; i < storages; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        pickle_text(out, key);
    }
    pickle_op(out, "e.");
    for (int i = 0; i < storages; i++) {
        put_le(out, elements[i], 8);
        put(out, storage[i].p, storage[i].n);
    }
}
