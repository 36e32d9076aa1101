/*
 * .caffemodel files: a protobuf NetParameter (caffe.proto), of which only the layers' names, types
 * and blobs are read, in the current form (field 100) and the one before (field 2).
 *
 * Walked by hand: four wire types and a dozen field numbers are all there is to it, and every
 * length is checked.
 */
#include <stdio.h>
#include <string.h>

#include "detector/weights_internal.h"

enum { BLOBS_MAX = 4 };

struct blob {
    int dims;
    uint64_t shape[WEIGHTS_DIMS];
    bool padded; /* in the form of old, always four numbers, ones in front */
    uint64_t count;
    const unsigned char *data;
};

struct layer {
    struct view name;
    struct view type;     /* "Convolution" */
    uint64_t type_of_old; /* the number that stood for it */
    int blobs;
    struct blob blob[BLOBS_MAX];
};

/* ---- protobuf ---- */

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* A message being walked: bytes [p, end). */
struct message {
    const unsigned char *p;
    const unsigned char *end;
};

struct field {
    uint64_t number;
    enum wire wire;
    uint64_t value;      /* of a varint */
    struct message data; /* of bytes */
};

static bool read_varint(struct message *m, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && m->p < m->end; shift += 7) {
        const unsigned char byte = *m->p++;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

static bool skip(struct message *m, uint64_t n, struct message *data)
{
    if (n > (uint64_t)(m->end - m->p)) {
        return false;
    }
    *data = (struct message){m->p, m->p + n};
    m->p += n;
    return true;
}

/* The next field; false where the bytes are none. */
static bool next_field(struct message *m, struct field *f)
{
    uint64_t key;
    uint64_t n;
    if (!read_varint(m, &key)) {
        return false;
    }
    f->number = key >> 3;
    f->wire = (enum wire)(key & 7);
    switch (f->wire) {
    case WIRE_VARINT: return read_varint(m, &f->value);
    case WIRE_BYTES: return read_varint(m, &n) && skip(m, n, &f->data);
    case WIRE_64: return skip(m, 8, &f->data);
    case WIRE_32: return skip(m, 4, &f->data);
    default: return false;
    }
}

/* ---- NetParameter ---- */

static bool add_dim(struct blob *b, uint64_t n)
{
    if (b->dims == WEIGHTS_DIMS || n > 1u << 31) {
        return false;
    }
    b->shape[b->dims++] = n;
    return true;
}

/* BlobShape: dim = 1, packed or one by one. */
static bool read_shape(struct message m, struct blob *b)
{
    struct field f = {.number = 0};
    while (m.p < m.end) {
        if (!next_field(&m, &f)) {
            return false;
        }
        if (f.number == 1 && f.wire == WIRE_VARINT && !add_dim(b, f.value)) {
            return false;
        }
        while (f.number == 1 && f.wire == WIRE_BYTES && f.data.p < f.data.end) {
            uint64_t n;
            if (!read_varint(&f.data, &n) || !add_dim(b, n)) {
                return false;
            }
        }
    }
    return true;
}

/* BlobProto: shape = 7, packed data = 5, and num, channels, height, width = 1 to 4 of old. */
static bool read_blob(struct message m, struct blob *b)
{
    struct field f = {.number = 0};
    uint64_t old[4] = {0};
    *b = (struct blob){.dims = 0};
    while (m.p < m.end) {
        if (!next_field(&m, &f)) {
            return false;
        }
        if (f.number == 7 && f.wire == WIRE_BYTES && !read_shape(f.data, b)) {
            return false;
        }
        if (f.number >= 1 && f.number <= 4 && f.wire == WIRE_VARINT) {
            old[f.number - 1] = f.value;
            b->padded = true;
        }
        if (f.number == 5) {
            if (f.wire != WIRE_BYTES || b->data) {
                return false; /* unpacked or split data, which Caffe never writes */
            }
            b->data = f.data.p;
            b->count = (uint64_t)(f.data.end - f.data.p) / sizeof(float);
        }
    }
    b->padded = b->padded && b->dims == 0;
    for (int d = 0; b->padded && d < 4; d++) {
        if (!add_dim(b, old[d])) {
            return false;
        }
    }
    uint64_t count = 1;
    for (int d = 0; d < b->dims; d++) {
        if (__builtin_mul_overflow(count, b->shape[d], &count)) {
            return false;
        }
    }
    return b->data && count == b->count;
}

/* LayerParameter {name = 1, type = 2, blobs = 7}, V1LayerParameter {name = 4, type = 5, blobs = 6}.
 */
static bool read_layer(struct message m, bool v1, struct layer *layer)
{
    struct field f = {.number = 0};
    *layer = (struct layer){.blobs = 0};
    while (m.p < m.end) {
        if (!next_field(&m, &f)) {
            return false;
        }
        const struct view bytes = view_of(f.data.p, (size_t)(f.data.end - f.data.p));
        if (f.number == (v1 ? 4 : 1) && f.wire == WIRE_BYTES) {
            layer->name = bytes;
        } else if (f.number == (v1 ? 5 : 2)) {
            layer->type = f.wire == WIRE_BYTES ? bytes : layer->type;
            layer->type_of_old = f.wire == WIRE_VARINT ? f.value : layer->type_of_old;
        } else if (f.number == (v1 ? 6 : 7) && f.wire == WIRE_BYTES &&
                   (layer->blobs == BLOBS_MAX ||
                    !read_blob(f.data, &layer->blob[layer->blobs++]))) {
            return false;
        }
    }
    return layer->name.p != NULL;
}

/* ---- as arrays ---- */

static bool is_type(const struct layer *layer, const char *type, uint64_t of_old)
{
    return layer->type_of_old == of_old || view_equal(layer->type, view_str(type));
}

/* How many dimensions Caffe means by a padded shape. */
static int true_dims(const struct layer *layer, int blob)
{
    if (blob == 0 && is_type(layer, "Convolution", 4)) {
        return 4;
    }
    return blob == 0 && is_type(layer, "InnerProduct", 14) ? 2 : 1;
}

/* Takes the ones that old files put in front off the shape. */
static void strip_padding(const struct layer *layer, int blob, struct weights_array *a)
{
    const int least = true_dims(layer, blob);
    while (layer->blob[blob].padded && a->dims > least && a->shape[0] == 1) {
        memmove(a->shape, a->shape + 1, (size_t)--a->dims * sizeof *a->shape);
    }
}

/* The name that torch would give the blob: see weights.h. */
static const char *kind_of(const struct layer *layer, int blob)
{
    static const char *const plain[BLOBS_MAX] = {"weight", "bias", "blob2", "blob3"};
    static const char *const norm[BLOBS_MAX] = {"running_mean", "running_var", "factor", "blob3"};
    const bool is_norm = view_equal(layer->type, view_str("BatchNorm")) || layer->blobs == 3;
    return is_norm ? norm[blob] : plain[blob];
}

static int add_blob(struct weights *w, const struct layer *layer, int blob)
{
    const struct blob *b = &layer->blob[blob];
    struct weights_array a = {.type = WEIGHTS_F32, .dims = b->dims, .data = b->data};
    char name[2 * WEIGHTS_NAME_MAX];
    memcpy(a.shape, b->shape, sizeof a.shape);
    strip_padding(layer, blob, &a);
    const int rc = weights_check_name(w, layer->name);
    if (rc) {
        return rc;
    }
    if (!weights_set_contiguous(&a)) {
        return err_set(E_FORMAT, "%s: layer \"%.*s\" has an impossible shape", w->path,
                       (int)layer->name.n, (const char *)layer->name.p);
    }
    snprintf(name, sizeof name, "%.*s.%s", (int)layer->name.n, (const char *)layer->name.p,
             kind_of(layer, blob));
    return weights_add(w, view_str(name), &a);
}

int weights_read_caffemodel(struct weights *w)
{
    const unsigned char *begin = w->file.p;
    struct message m = {begin, begin + w->file.n};
    int rc = 0;
    while (m.p < m.end && !rc) {
        const size_t at = (size_t)(m.p - begin);
        struct field f = {.number = 0};
        struct layer layer = {.blobs = 0};
        bool ok = next_field(&m, &f);
        const bool v1 = ok && f.number == 2;
        const bool is_layer = ok && f.wire == WIRE_BYTES && (v1 || f.number == 100);
        ok = ok && (!is_layer || read_layer(f.data, v1, &layer));
        if (!ok) {
            return err_set(
                E_FORMAT, "%s is not a .caffemodel file, or is cut short: byte %zu begins no layer",
                w->path, at);
        }
        for (int i = 0; i < layer.blobs && !rc; i++) {
            rc = add_blob(w, &layer, i);
        }
    }
    return rc;
}
