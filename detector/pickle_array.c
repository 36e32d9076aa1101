#include "detector/pickle_array.h"

#include <string.h>

#include "detector/weights_internal.h"

/* The array that is being read, for messages. */
struct subject {
    const char *path;
    struct view name;
};

static int wrong(const struct subject *s, const char *why)
{
    return err_set(E_FORMAT, "%s: tensor \"%.*s\" %s", s->path,
                   (int)(s->name.n < 80 ? s->name.n : 80), (const char *)s->name.p, why);
}

/* A tuple of sizes, or torch.Size of one, into numbers; how many in *dims. */
static bool read_sizes(const struct pickle_value *v, uint64_t *out, int *dims)
{
    if (pickle_is_object(v, GLOBAL_SIZE)) {
        v = pickle_item(v->object.arguments, 0);
    }
    if (!v || (v->kind != PICKLE_TUPLE && v->kind != PICKLE_LIST) || v->list.n > WEIGHTS_DIMS) {
        return false;
    }
    *dims = (int)v->list.n;
    for (int d = 0; d < *dims; d++) {
        if (!pickle_size_of(pickle_item(v, (size_t)d), &out[d])) {
            return false;
        }
    }
    return true;
}

/* Whether every element of the array, which begins at `offset` and has some, is among `elements`.
 */
static bool is_within(const struct weights_array *a, uint64_t offset, uint64_t elements)
{
    uint64_t last = offset;
    for (int d = 0; d < a->dims; d++) {
        uint64_t reach;
        if (__builtin_mul_overflow(a->shape[d] - 1, a->stride[d], &reach) ||
            __builtin_add_overflow(last, reach, &last)) {
            return false;
        }
    }
    return last < elements;
}

/* ---- torch ---- */

int torch_storage_read(const char *path, const struct pickle_value *v, struct torch_storage *out)
{
    const struct pickle_value *id = v->object.arguments;
    const struct pickle_value *type = pickle_item(id, 1);
    const struct pickle_value *key = pickle_item(id, 2);
    const struct pickle_value *part = pickle_item(id, 5);
    *out = (struct torch_storage){.part = part && part->kind != PICKLE_NONE ? part : NULL};
    if (!pickle_is_text(pickle_item(id, 0), "storage") || !type || type->kind != PICKLE_GLOBAL ||
        type->global != GLOBAL_STORAGE || !key || key->kind != PICKLE_TEXT ||
        !pickle_size_of(pickle_item(id, 4), &out->elements)) {
        return err_set(E_FORMAT, "%s: its pickle refers to something that is no storage of numbers",
                       path);
    }
    out->key = key->bytes;
    out->type = type->storage_type;
    return 0;
}

/* The storage's bytes; of a part (view_key, offset, elements) only those. */
static int find_storage(const struct subject *s, const struct storage_finder *storages,
                        const struct torch_storage *storage, struct view *bytes, uint64_t *elements)
{
    const size_t each = weights_type_bytes(storage->type);
    int rc = storages->find(storages->context, storage, bytes);
    if (rc) {
        return rc;
    }
    if (bytes->n / each < storage->elements) {
        return wrong(s, "lies in a storage that has fewer numbers than it should");
    }
    *elements = storage->elements;
    if (storage->part) {
        uint64_t from;
        if (!pickle_size_of(pickle_item(storage->part, 1), &from) ||
            !pickle_size_of(pickle_item(storage->part, 2), elements) || from > storage->elements ||
            *elements > storage->elements - from) {
            return wrong(s, "lies in a part of a storage that is not within it");
        }
        *bytes = view_of((const char *)bytes->p + from * each, (size_t)*elements * each);
    }
    return 0;
}

static int read_tensor(const struct subject *s, const struct pickle_value *arguments,
                       const struct storage_finder *storages, struct weights_array *out)
{
    const struct pickle_value *where = pickle_item(arguments, 0);
    struct torch_storage storage;
    struct view bytes;
    uint64_t elements;
    uint64_t offset;
    int strides;
    if (!storages || !where || where->kind != PICKLE_PERSISTENT) {
        return wrong(s, "has no storage");
    }
    int rc = torch_storage_read(s->path, where, &storage);
    rc = rc ? rc : find_storage(s, storages, &storage, &bytes, &elements);
    if (rc) {
        return rc;
    }
    out->type = storage.type;
    if (!pickle_size_of(pickle_item(arguments, 1), &offset) ||
        !read_sizes(pickle_item(arguments, 2), out->shape, &out->dims) ||
        !read_sizes(pickle_item(arguments, 3), out->stride, &strides) || strides != out->dims ||
        !weights_count_elements(out)) {
        return wrong(s, "has a size, stride or offset that no tensor has");
    }
    if (offset > elements || (out->count > 0 && !is_within(out, offset, elements))) {
        return wrong(s, "reaches beyond the end of its storage");
    }
    if (out->count > elements) {
        return wrong(s,
                     "has more numbers than its storage, some of them several times (as expand() "
                     "makes it); save a copy of it (contiguous())");
    }
    out->data = (const unsigned char *)bytes.p + offset * weights_type_bytes(out->type);
    return 0;
}

/* ---- numpy ---- */

static bool read_type(const struct pickle_value *v, enum weights_type *out)
{
    static const struct {
        const char *code;
        enum weights_type type;
    } codes[] = {{"f4", WEIGHTS_F32}, {"f2", WEIGHTS_F16}, {"f8", WEIGHTS_F64},
                 {"i8", WEIGHTS_I64}, {"i4", WEIGHTS_I32}, {"i2", WEIGHTS_I16},
                 {"i1", WEIGHTS_I8},  {"u1", WEIGHTS_U8},  {"b1", WEIGHTS_BOOL}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (pickle_is_text(v, codes[i].code)) {
            *out = codes[i].type;
            return true;
        }
    }
    return false;
}

/* dtype("f4", ...) with the state (3, "<", ...). */
static int read_dtype(const struct subject *s, const struct pickle_value *v, enum weights_type *out)
{
    if (!pickle_is_object(v, GLOBAL_DTYPE) ||
        !read_type(pickle_item(v->object.arguments, 0), out)) {
        return wrong(s, "is of a numpy type that no weight is");
    }
    if (pickle_is_text(pickle_item(v->object.state, 1), ">")) {
        return wrong(s, "is in big-endian byte order; save it from a little-endian machine");
    }
    return 0;
}

static void set_fortran(struct weights_array *a)
{
    uint64_t stride = 1;
    for (int d = 0; d < a->dims; d++) {
        a->stride[d] = stride;
        stride *= a->shape[d]; /* checked: the product of all is */
    }
}

static int place(const struct subject *s, const struct pickle_value *raw, bool fortran,
                 struct weights_array *out)
{
    const size_t each = weights_type_bytes(out->type);
    if (!raw || raw->kind != PICKLE_BYTES) {
        return wrong(s, "has no bytes");
    }
    if (!weights_set_contiguous(out) || !weights_count_elements(out) ||
        out->count > raw->bytes.n / each) {
        return wrong(s, "has fewer bytes than its shape needs");
    }
    if (fortran) {
        set_fortran(out);
    }
    out->data = raw->bytes.p;
    return 0;
}

static int read_reconstructed(const struct subject *s, const struct pickle_value *v,
                              struct weights_array *out)
{
    const struct pickle_value *state = v->object.state;
    const struct pickle_value *fortran = pickle_item(state, 3);
    if (!state || state->kind != PICKLE_TUPLE || state->list.n != 5 || !fortran ||
        (fortran->kind != PICKLE_BOOL && fortran->kind != PICKLE_INT) ||
        !read_sizes(pickle_item(state, 1), out->shape, &out->dims)) {
        return wrong(s, "has no state that numpy would give an array");
    }
    const int rc = read_dtype(s, pickle_item(state, 2), &out->type);
    return rc ? rc : place(s, pickle_item(state, 4), fortran->integer != 0, out);
}

static int read_buffer(const struct subject *s, const struct pickle_value *arguments,
                       struct weights_array *out)
{
    const bool fortran = pickle_is_text(pickle_item(arguments, 3), "F");
    if (!read_sizes(pickle_item(arguments, 2), out->shape, &out->dims)) {
        return wrong(s, "has no shape");
    }
    const int rc = read_dtype(s, pickle_item(arguments, 1), &out->type);
    return rc ? rc : place(s, pickle_item(arguments, 0), fortran, out);
}

/* ---- either ---- */

/* A Parameter is its tensor. */
static const struct pickle_value *unwrap(const struct pickle_value *v)
{
    return pickle_is_object(v, GLOBAL_REBUILD_PARAMETER) ? pickle_item(v->object.arguments, 0) : v;
}

bool pickle_is_array(const struct pickle_value *v)
{
    v = unwrap(v);
    return pickle_is_object(v, GLOBAL_REBUILD_TENSOR) || pickle_is_object(v, GLOBAL_RECONSTRUCT) ||
           pickle_is_object(v, GLOBAL_FROM_BUFFER);
}

int pickle_array_read(const char *path, struct view name, const struct pickle_value *v,
                      const struct storage_finder *storages, struct weights_array *out)
{
    const struct subject s = {path, name};
    *out = (struct weights_array){.name = NULL};
    v = unwrap(v);
    switch (v->global) {
    case GLOBAL_REBUILD_TENSOR: return read_tensor(&s, v->object.arguments, storages, out);
    case GLOBAL_RECONSTRUCT: return read_reconstructed(&s, v, out);
    default: return read_buffer(&s, v->object.arguments, out);
    }
}
