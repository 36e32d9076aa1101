#include "detector/safetensors_write.h"

#include <stdlib.h>

#include "common/file.h"

enum { HEADER_ALIGN = 64 }; /* so that tensors begin on a cache line */

static const size_t data_limit = (size_t)8 << 30;

int safetensors_writer_init(struct safetensors_writer *w)
{
    *w = (struct safetensors_writer){.header = json_object(), .metadata = json_object()};
    buf_init(&w->data, data_limit);
    if (json_object_set_new(w->header, "__metadata__", w->metadata)) {
        safetensors_writer_release(w);
        return err_set(E_NOMEM, "no memory for a model's header");
    }
    return 0;
}

void safetensors_writer_release(struct safetensors_writer *w)
{
    json_decref(w->header);
    buf_release(&w->data);
    w->header = NULL;
}

int safetensors_writer_metadata(struct safetensors_writer *w, const char *key, const char *value)
{
    return json_object_set_new(w->metadata, key, json_string(value))
               ? err_set(E_TEXT_UTF8, "the metadata entry %s is not valid UTF-8", key)
               : 0;
}

int safetensors_writer_add(struct safetensors_writer *w, const char *name, int dims,
                           const uint64_t *shape, float **out)
{
    json_t *sizes = json_array();
    size_t bytes = sizeof(float);
    for (int d = 0; d < dims; d++) {
        json_array_append_new(sizes, json_integer((json_int_t)shape[d]));
        if (__builtin_mul_overflow(bytes, shape[d], &bytes)) {
            json_decref(sizes);
            return err_set(E_TOO_BIG, "tensor %s is too large", name);
        }
    }
    const size_t from = w->data.n;
    json_t *entry = json_pack("{s:s, s:o, s:[I,I]}", "dtype", "F32", "shape", sizes, "data_offsets",
                              (json_int_t)from, (json_int_t)(from + bytes));
    if (json_object_get(w->header, name) || json_object_set_new(w->header, name, entry)) {
        return err_set(E_EXISTS, "two tensors are named %s", name);
    }
    const int rc = buf_append_zeros(&w->data, bytes);
    *out = rc ? NULL : (float *)(w->data.p + from); /* aligned: everything before is floats too */
    return rc;
}

int safetensors_writer_save(struct safetensors_writer *w, const char *path)
{
    char *header = json_dumps(w->header, JSON_COMPACT);
    struct buf file;
    unsigned char length[8];
    buf_init(&file, data_limit + ((size_t)200 << 20));
    int rc = header ? 0 : err_set(E_NOMEM, "no memory for a model's header");
    const size_t n = header ? strlen(header) : 0;
    const size_t padding = (HEADER_ALIGN - (n + sizeof length) % HEADER_ALIGN) % HEADER_ALIGN;
    put_le64(length, n + padding);
    rc = rc ? rc : buf_append(&file, length, sizeof length);
    rc = rc ? rc : buf_append(&file, header, n);
    for (size_t i = 0; i < padding && !rc; i++) {
        rc = buf_append(&file, " ", 1);
    }
    rc = rc ? rc : buf_append(&file, w->data.p, w->data.n);
    rc = rc ? rc : file_write_atomic(path, buf_view(&file));
    buf_release(&file);
    free(header);
    return rc;
}
