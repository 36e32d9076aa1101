#include "detector/safetensors.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/file.h"

enum { LENGTH_BYTES = 8, HEADER_LIMIT = 100 << 20, TENSOR_LIMIT = 1 << 16 };

struct safetensors {
    char *path;
    struct view file;
    bool mapped;    /* by safetensors_open() */
    json_t *header; /* owns every string handed out */
    size_t count;
    struct safetensors_tensor *tensor; /* [count], by name */
};

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8}, {"I64", 8}, {"I32", 4}, {"I16", 2},
              {"I8", 1},  {"U64", 8}, {"U32", 4},  {"U16", 2}, {"U8", 1},  {"BOOL", 1}};

static size_t dtype_bytes(const char *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            return dtypes[i].bytes;
        }
    }
    return 0;
}

static int parse_header(struct safetensors *st, size_t *data_at)
{
    if (st->file.n < LENGTH_BYTES) {
        return err_set(E_TRUNCATED, "%s has %zu bytes, too few for a safetensors file", st->path,
                       st->file.n);
    }
    const uint64_t n = get_le64(st->file.p);
    if (n > HEADER_LIMIT) {
        return err_set(
            E_FORMAT,
            "%s is not a safetensors file, as models are; pairmill model import makes one "
            "of a .pth, .pkl or .caffemodel",
            st->path);
    }
    if (n > st->file.n - LENGTH_BYTES) {
        return err_set(E_TRUNCATED, "%s is cut short: its header of %llu bytes does not fit in %zu",
                       st->path, (unsigned long long)n, st->file.n);
    }
    json_error_t why;
    st->header = json_loadb((const char *)st->file.p + LENGTH_BYTES, (size_t)n,
                            JSON_REJECT_DUPLICATES, &why);
    if (!st->header || !json_is_object(st->header)) {
        return err_set(E_FORMAT,
                       "%s is not a safetensors file: its header is not a JSON object%s%s",
                       st->path, st->header ? "" : ": ", st->header ? "" : why.text);
    }
    *data_at = LENGTH_BYTES + (size_t)n;
    return 0;
}

static int check_metadata(const struct safetensors *st)
{
    const json_t *meta = json_object_get(st->header, "__metadata__");
    const char *key;
    json_t *value;
    if (meta && !json_is_object(meta)) {
        return err_set(E_FORMAT, "%s: __metadata__ is not a JSON object", st->path);
    }
    json_object_foreach((json_t *)meta, key, value)
    {
        if (!json_is_string(value)) {
            return err_set(E_FORMAT, "%s: the metadata entry \"%.80s\" is not a string", st->path,
                           key);
        }
    }
    return 0;
}

/* A JSON integer that is not negative. */
static int read_size(const json_t *j, uint64_t *out)
{
    if (!json_is_integer(j) || json_integer_value(j) < 0) {
        return E_FORMAT;
    }
    *out = (uint64_t)json_integer_value(j);
    return 0;
}

static int read_shape(const struct safetensors *st, const json_t *shape,
                      struct safetensors_tensor *t)
{
    if (!json_is_array(shape) || json_array_size(shape) > SAFETENSORS_DIMS) {
        return err_set(E_FORMAT, "%s: tensor \"%.80s\" has no shape of at most %d numbers",
                       st->path, t->name, SAFETENSORS_DIMS);
    }
    t->dims = (int)json_array_size(shape);
    t->count = 1;
    for (int d = 0; d < t->dims; d++) {
        if (read_size(json_array_get(shape, (size_t)d), &t->shape[d]) ||
            __builtin_mul_overflow(t->count, t->shape[d], &t->count)) {
            return err_set(E_FORMAT, "%s: tensor \"%.80s\" has an impossible shape", st->path,
                           t->name);
        }
    }
    return 0;
}

static int read_tensor(const struct safetensors *st, const char *name, const json_t *entry,
                       size_t data_at, struct safetensors_tensor *t)
{
    *t = (struct safetensors_tensor){.name = name};
    t->dtype = json_string_value(json_object_get(entry, "dtype"));
    const size_t each = t->dtype ? dtype_bytes(t->dtype) : 0;
    if (each == 0) {
        return err_set(E_FORMAT, "%s: tensor \"%.80s\" has no dtype that safetensors knows",
                       st->path, name);
    }
    const int rc = read_shape(st, json_object_get(entry, "shape"), t);
    if (rc) {
        return rc;
    }
    const json_t *offsets = json_object_get(entry, "data_offsets");
    uint64_t beg = 0;
    uint64_t end = 0;
    uint64_t want = 0;
    if (json_array_size(offsets) != 2 || read_size(json_array_get(offsets, 0), &beg) ||
        read_size(json_array_get(offsets, 1), &end) || end < beg ||
        __builtin_mul_overflow(t->count, each, &want) || end - beg != want) {
        return err_set(E_FORMAT, "%s: the data_offsets of tensor \"%.80s\" do not fit its shape",
                       st->path, name);
    }
    if (end > st->file.n - data_at) {
        return err_set(E_TRUNCATED, "%s is cut short: tensor \"%.80s\" ends at byte %llu of %zu",
                       st->path, name, (unsigned long long)(data_at + end), st->file.n);
    }
    t->data = (const unsigned char *)st->file.p + data_at + beg;
    t->bytes = (size_t)(end - beg);
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct safetensors_tensor *s = a;
    const struct safetensors_tensor *t = b;
    const uintptr_t p = (uintptr_t)s->data;
    const uintptr_t q = (uintptr_t)t->data;
    return p != q ? (p < q ? -1 : 1) : s->bytes < t->bytes ? -1 : s->bytes > t->bytes;
}

static int by_name(const void *a, const void *b)
{
    const struct safetensors_tensor *s = a;
    const struct safetensors_tensor *t = b;
    return strcmp(s->name, t->name);
}

/* The tensors, sorted by place, must follow each other and end with the file. */
static int check_cover(const struct safetensors *st, size_t data_at)
{
    const unsigned char *at = st->file.p;
    const unsigned char *end = at + st->file.n;
    at += data_at;
    for (size_t i = 0; i < st->count; i++) {
        const struct safetensors_tensor *t = &st->tensor[i];
        if ((const unsigned char *)t->data != at) {
            return err_set(E_FORMAT, "%s: there is %s before tensor \"%.80s\"", st->path,
                           (const unsigned char *)t->data > at ? "a hole" : "an overlap", t->name);
        }
        at += t->bytes;
    }
    if (at != end) {
        return err_set(E_FORMAT, "%s: %zu bytes after the last tensor belong to none", st->path,
                       (size_t)(end - at));
    }
    return 0;
}

static int read_tensors(struct safetensors *st, size_t data_at)
{
    const size_t entries = json_object_size(st->header);
    if (entries > TENSOR_LIMIT) {
        return err_set(E_FORMAT, "%s names %zu tensors; at most %d are allowed", st->path, entries,
                       TENSOR_LIMIT);
    }
    st->tensor = calloc(entries ? entries : 1, sizeof *st->tensor);
    if (!st->tensor) {
        return err_set(E_NOMEM, "no memory for %zu tensor entries", entries);
    }
    const char *name;
    json_t *entry;
    json_object_foreach(st->header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) {
            continue;
        }
        const int rc = read_tensor(st, name, entry, data_at, &st->tensor[st->count]);
        if (rc) {
            return rc;
        }
        st->count++;
    }
    qsort(st->tensor, st->count, sizeof *st->tensor, by_place);
    const int rc = check_cover(st, data_at);
    qsort(st->tensor, st->count, sizeof *st->tensor, by_name);
    return rc;
}

int safetensors_read(const char *path, struct view file, struct safetensors **out)
{
    struct safetensors *st = calloc(1, sizeof *st);
    if (!st || !(st->path = strdup(path))) {
        free(st);
        return err_set(E_NOMEM, "no memory to open %s", path);
    }
    size_t data_at = 0;
    st->file = file;
    int rc = parse_header(st, &data_at);
    rc = rc ? rc : check_metadata(st);
    rc = rc ? rc : read_tensors(st, data_at);
    if (rc) {
        safetensors_close(st);
        return rc;
    }
    *out = st;
    return 0;
}

int safetensors_open(const char *path, struct safetensors **out)
{
    struct view file;
    int rc = file_map(path, &file);
    if (rc) {
        return rc;
    }
    rc = safetensors_read(path, file, out);
    if (rc) {
        file_unmap(file);
    } else {
        (*out)->mapped = true;
    }
    return rc;
}

void safetensors_close(struct safetensors *st)
{
    if (!st) {
        return;
    }
    if (st->mapped) {
        file_unmap(st->file);
    }
    json_decref(st->header);
    free(st->tensor);
    free(st->path);
    free(st);
}

struct view safetensors_file(const struct safetensors *st)
{
    return st->file;
}

void safetensors_forget(const struct safetensors *st)
{
    if (st->mapped) {
        file_forget(st->file);
    }
}

const char *safetensors_metadata(const struct safetensors *st, const char *key)
{
    return json_string_value(json_object_get(json_object_get(st->header, "__metadata__"), key));
}

size_t safetensors_count(const struct safetensors *st)
{
    return st->count;
}

const struct safetensors_tensor *safetensors_at(const struct safetensors *st, size_t i)
{
    return &st->tensor[i];
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *st, const char *name,
                                                  size_t *index)
{
    const struct safetensors_tensor key = {.name = name};
    const struct safetensors_tensor *t =
        bsearch(&key, st->tensor, st->count, sizeof *st->tensor, by_name);
    if (t && index) {
        *index = (size_t)(t - st->tensor);
    }
    return t;
}
