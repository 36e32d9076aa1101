#include "detector/caffemodel.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LAYERS_MAX = 100000 };

struct caffemodel {
    char *path;
    unsigned char *map;
    size_t size;
    struct caffe_layer *layer;
    size_t count;
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

static bool add_dim(struct caffe_blob *b, uint64_t n)
{
    if (b->dims == CAFFE_DIMS || n > 1u << 31) {
        return false;
    }
    b->shape[b->dims++] = n;
    return true;
}

/* BlobShape: dim = 1, packed or one by one. */
static bool read_shape(struct message m, struct caffe_blob *b)
{
    struct field f;
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
static bool read_blob(struct message m, struct caffe_blob *b)
{
    struct field f;
    uint64_t old[4] = {0};
    bool is_old = false;
    *b = (struct caffe_blob){.dims = 0};
    while (m.p < m.end) {
        if (!next_field(&m, &f)) {
            return false;
        }
        if (f.number == 7 && f.wire == WIRE_BYTES && !read_shape(f.data, b)) {
            return false;
        }
        if (f.number >= 1 && f.number <= 4 && f.wire == WIRE_VARINT) {
            old[f.number - 1] = f.value;
            is_old = true;
        }
        if (f.number == 5) {
            if (f.wire != WIRE_BYTES || b->data) {
                return false; /* unpacked or split data, which Caffe never writes */
            }
            b->data = f.data.p;
            b->count = (uint64_t)(f.data.end - f.data.p) / sizeof(float);
        }
    }
    for (int d = 0; is_old && b->dims < 4 && d < 4; d++) {
        b->shape[b->dims++] = old[d];
    }
    uint64_t count = 1;
    for (int d = 0; d < b->dims; d++) {
        if (__builtin_mul_overflow(count, b->shape[d], &count)) {
            return false;
        }
    }
    return b->data && count == b->count;
}

/* LayerParameter {name = 1, blobs = 7}, or V1LayerParameter {name = 4, blobs = 6}. */
static bool read_layer(struct message m, bool v1, struct caffe_layer *layer)
{
    struct field f;
    *layer = (struct caffe_layer){.blobs = 0};
    while (m.p < m.end) {
        if (!next_field(&m, &f)) {
            return false;
        }
        if (f.number == (v1 ? 4 : 1) && f.wire == WIRE_BYTES) {
            free((char *)layer->name);
            layer->name = strndup((const char *)f.data.p, (size_t)(f.data.end - f.data.p));
        }
        if (f.number == (v1 ? 6 : 7) && f.wire == WIRE_BYTES &&
            (layer->blobs == CAFFE_BLOBS || !read_blob(f.data, &layer->blob[layer->blobs++]))) {
            return false;
        }
    }
    return layer->name != NULL;
}

static int keep_layer(struct caffemodel *model, struct caffe_layer *layer)
{
    struct caffe_layer *more =
        model->count < LAYERS_MAX
            ? reallocarray(model->layer, model->count + 1, sizeof *model->layer)
            : NULL;
    if (!more) {
        return err_set(E_NOMEM, "%s: no memory for more than %zu layers", model->path,
                       model->count);
    }
    model->layer = more;
    model->layer[model->count++] = *layer;
    return 0;
}

static int read_net(struct caffemodel *model)
{
    struct message m = {model->map, model->map + model->size};
    struct field f;
    while (m.p < m.end) {
        const unsigned char *at = m.p;
        struct caffe_layer layer = {.name = NULL};
        bool ok = next_field(&m, &f);
        const bool v1 = f.number == 2;
        const bool is_layer = ok && f.wire == WIRE_BYTES && (v1 || f.number == 100);
        ok = ok && (!is_layer || read_layer(f.data, v1, &layer));
        int rc = ok ? 0
                    : err_set(E_FORMAT, "%s is not a .caffemodel file: byte %zu begins no layer",
                              model->path, (size_t)(at - model->map));
        if (!rc && is_layer && layer.blobs) {
            rc = keep_layer(model, &layer);
            layer.name = rc ? layer.name : NULL;
        }
        free((char *)layer.name);
        if (rc) {
            return rc;
        }
    }
    return model->count ? 0 : err_set(E_FORMAT, "%s holds no layer with weights", model->path);
}

static int map_file(struct caffemodel *model)
{
    const int fd = open(model->path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0) {
        return err_errno("%s cannot be opened", model->path);
    }
    int rc = fstat(fd, &info) ? err_errno("%s cannot be examined", model->path) : 0;
    if (!rc && info.st_size > 0) {
        void *p = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        rc = p == MAP_FAILED ? err_errno("%s cannot be mapped", model->path) : 0;
        model->map = rc ? NULL : p;
        model->size = rc ? 0 : (size_t)info.st_size;
    }
    close(fd);
    return rc;
}

int caffemodel_open(const char *path, struct caffemodel **out)
{
    struct caffemodel *model = calloc(1, sizeof *model);
    if (!model || !(model->path = strdup(path))) {
        free(model);
        return err_set(E_NOMEM, "no memory to open %s", path);
    }
    int rc = map_file(model);
    rc = rc ? rc : read_net(model);
    if (rc) {
        caffemodel_close(model);
        return rc;
    }
    *out = model;
    return 0;
}

void caffemodel_close(struct caffemodel *model)
{
    if (!model) {
        return;
    }
    for (size_t i = 0; i < model->count; i++) {
        free((char *)model->layer[i].name);
    }
    if (model->map) {
        munmap(model->map, model->size);
    }
    free(model->layer);
    free(model->path);
    free(model);
}

size_t caffemodel_layers(const struct caffemodel *model)
{
    return model->count;
}

const struct caffe_layer *caffemodel_layer(const struct caffemodel *model, size_t i)
{
    return &model->layer[i];
}

const struct caffe_layer *caffemodel_find(const struct caffemodel *model, const char *name)
{
    for (size_t i = 0; i < model->count; i++) {
        if (strcmp(model->layer[i].name, name) == 0) {
            return &model->layer[i];
        }
    }
    return NULL;
}

float caffe_blob_at(const struct caffe_blob *blob, uint64_t i)
{
    float v;
    memcpy(&v, blob->data + i * sizeof v, sizeof v);
    return v;
}
