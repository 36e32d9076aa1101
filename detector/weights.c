#include "detector/weights.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/file.h"
#include "common/half.h"
#include "detector/weights_internal.h"

static const struct {
    const char *name;
    size_t bytes;
} types[] = {
#define X(type, name, bytes) {name, bytes},
    WEIGHTS_TYPES(X)
#undef X
};

const char *weights_type_name(enum weights_type type)
{
    return types[type].name;
}

size_t weights_type_bytes(enum weights_type type)
{
    return types[type].bytes;
}

bool weights_type_is_float(enum weights_type type)
{
    return type <= WEIGHTS_F64;
}

/* ---- adding ---- */

int weights_check_name(const struct weights *w, struct view name)
{
    bool ok = name.n > 0 && name.n <= WEIGHTS_NAME_MAX;
    for (size_t i = 0; ok && i < name.n; i++) {
        ok = isprint(((const unsigned char *)name.p)[i]);
    }
    return ok ? 0
              : err_set(E_FORMAT,
                        "%s: an array's name is empty, longer than %d bytes or not printable",
                        w->path, WEIGHTS_NAME_MAX);
}

bool weights_set_contiguous(struct weights_array *a)
{
    uint64_t stride = 1;
    for (int d = a->dims - 1; d >= 0; d--) {
        a->stride[d] = stride;
        if (__builtin_mul_overflow(stride, a->shape[d], &stride)) {
            return false;
        }
    }
    return true;
}

bool weights_count_elements(struct weights_array *a)
{
    a->count = 1;
    for (int d = 0; d < a->dims; d++) {
        if (__builtin_mul_overflow(a->count, a->shape[d], &a->count)) {
            return false;
        }
    }
    return true;
}

int weights_add(struct weights *w, struct view name, const struct weights_array *a)
{
    const int rc = weights_check_name(w, name);
    if (rc) {
        return rc;
    }
    if (w->count == WEIGHTS_ARRAYS_MAX) {
        return err_set(E_TOO_BIG, "%s holds more than %d arrays", w->path, WEIGHTS_ARRAYS_MAX);
    }
    struct weights_array *more = array_grown(w->array, w->count, &w->room, sizeof *more);
    if (!more) {
        return err_set(E_NOMEM, "%s: no memory for %zu arrays", w->path, w->count + 1);
    }
    w->array = more;
    struct weights_array *added = &w->array[w->count];
    *added = *a;
    if (!weights_count_elements(added)) {
        return err_set(E_FORMAT, "%s: array \"%.*s\" has an impossible shape", w->path, (int)name.n,
                       (const char *)name.p);
    }
    if (!(added->name = strndup(name.p, name.n))) {
        return err_set(E_NOMEM, "%s: no memory for an array's name", w->path);
    }
    w->count++;
    return 0;
}

int weights_own(struct weights *w, void *bytes)
{
    void **more = reallocarray(w->owned, w->owned_count + 1, sizeof *more);
    if (!more) {
        free(bytes);
        return err_set(E_NOMEM, "%s: no memory for what it holds", w->path);
    }
    w->owned = more;
    w->owned[w->owned_count++] = bytes;
    return 0;
}

/* ---- opening ---- */

static bool begins_with(struct view file, const char *prefix)
{
    const size_t n = strlen(prefix);
    return file.n >= n && memcmp(file.p, prefix, n) == 0;
}

/* The header's length, at most 100 MB, and its first brace. */
static bool is_safetensors(struct view file)
{
    return file.n > 8 && ((const char *)file.p)[8] == '{' && get_le64(file.p) <= 100 << 20;
}

static bool is_zip(struct view file)
{
    return begins_with(file, "PK\3\4") || begins_with(file, "PK\5\6");
}

/* Every pickle since protocol 2 begins with the protocol's number. */
static bool is_pickle(struct view file)
{
    const unsigned char *p = file.p;
    return file.n >= 2 && p[0] == 0x80 && p[1] <= 5;
}

/* The net's name (1) or one of its layers (2 of old, 100), each with a length. */
static bool is_caffemodel(struct view file)
{
    return begins_with(file, "\x0a") || begins_with(file, "\x12") || begins_with(file, "\xa2\x06");
}

static const struct {
    bool (*is)(struct view file);
    int (*read)(struct weights *w);
} formats[] = {
    {is_safetensors, weights_read_safetensors},
    {is_zip, weights_read_torch_zip},
    {is_pickle, weights_read_pickle},
    {is_caffemodel, weights_read_caffemodel},
};

/* What people have on disk instead of the weights they wanted. */
static int refuse(const struct weights *w)
{
    static const struct {
        const char *begins;
        const char *is;
    } known[] = {
        {"<", "is a web page, not a weight file: the download went wrong"},
        {"version https://git-lfs", "is a Git LFS pointer, not the file: run git lfs pull"},
        {"\x1f\x8b", "is compressed with gzip: unpack it first"},
        {"\x89HDF", "is an HDF5 file, which pairmill cannot read"},
        {"(", "is a pickle in protocol 0 or 1: save it again in protocol 2 or later"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (begins_with(w->file, known[i].begins)) {
            return err_set(E_FORMAT, "%s %s", w->path, known[i].is);
        }
    }
    return err_set(E_FORMAT,
                   "%s is neither a .safetensors file, nor torch's .pth, nor a .pkl of numpy "
                   "arrays, nor a .caffemodel",
                   w->path);
}

static int read_file(struct weights *w)
{
    if (w->file.n == 0) {
        return err_set(E_TRUNCATED, "%s is empty", w->path);
    }
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (formats[i].is(w->file)) {
            return formats[i].read(w);
        }
    }
    return refuse(w);
}

static int by_name(const void *a, const void *b)
{
    const struct weights_array *s = a;
    const struct weights_array *t = b;
    return strcmp(s->name, t->name);
}

/* Arrays may share their bytes, but then an importer would write more than it reads; nobody's
 * weights have more numbers than bytes. */
static int check_size(const struct weights *w)
{
    uint64_t numbers = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (w->array[i].count > w->file.n - numbers) {
            return err_set(E_FORMAT, "%s claims more numbers than it has bytes", w->path);
        }
        numbers += w->array[i].count;
    }
    return 0;
}

static int sort_names(struct weights *w)
{
    if (w->count == 0) {
        return err_set(E_MODEL, "%s holds no arrays", w->path);
    }
    qsort(w->array, w->count, sizeof *w->array, by_name);
    for (size_t i = 1; i < w->count; i++) {
        if (strcmp(w->array[i - 1].name, w->array[i].name) == 0) {
            return err_set(E_FORMAT, "%s holds two arrays named \"%s\"", w->path, w->array[i].name);
        }
    }
    return 0;
}

/* DataParallel and Lightning put these before every name; sorted order does not change. */
static void strip_wrappers(struct weights *w)
{
    static const char *const wrappers[] = {"module.", "model.", "_orig_mod."};
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        const size_t n = strlen(wrappers[i]);
        bool all = true;
        for (size_t k = 0; k < w->count && all; k++) {
            all = strncmp(w->array[k].name, wrappers[i], n) == 0 && w->array[k].name[n];
        }
        for (size_t k = 0; k < w->count && all; k++) {
            memmove(w->array[k].name, w->array[k].name + n, strlen(w->array[k].name + n) + 1);
        }
    }
}

int weights_read(const char *path, struct view file, struct weights **out)
{
    struct weights *w = calloc(1, sizeof *w);
    if (!w || !(w->path = strdup(path))) {
        free(w);
        return err_set(E_NOMEM, "no memory to open %s", path);
    }
    w->file = file;
    int rc = read_file(w);
    rc = rc ? rc : check_size(w);
    rc = rc ? rc : sort_names(w);
    if (rc) {
        weights_close(w);
        return rc;
    }
    strip_wrappers(w);
    *out = w;
    return 0;
}

int weights_open(const char *path, struct weights **out)
{
    struct view file;
    int rc = file_map(path, &file);
    if (rc) {
        return rc;
    }
    rc = weights_read(path, file, out);
    if (rc) {
        file_unmap(file);
    } else {
        (*out)->mapped = true;
    }
    return rc;
}

void weights_close(struct weights *w)
{
    if (!w) {
        return;
    }
    for (size_t i = 0; i < w->count; i++) {
        free(w->array[i].name);
    }
    for (size_t i = 0; i < w->owned_count; i++) {
        free(w->owned[i]);
    }
    free(w->array);
    free(w->owned);
    safetensors_close(w->safetensors);
    if (w->mapped) {
        file_unmap(w->file);
    }
    free(w->path);
    free(w);
}

/* ---- looking ---- */

const char *weights_path(const struct weights *w)
{
    return w->path;
}

size_t weights_count(const struct weights *w)
{
    return w->count;
}

const struct weights_array *weights_at(const struct weights *w, size_t i)
{
    return &w->array[i];
}

const struct weights_array *weights_find(const struct weights *w, const char *name)
{
    const struct weights_array key = {.name = (char *)name};
    return bsearch(&key, w->array, w->count, sizeof *w->array, by_name);
}

static double element(enum weights_type type, const unsigned char *p)
{
    float f;
    double d;
    uint32_t bits;
    switch (type) {
    case WEIGHTS_F64: memcpy(&d, p, sizeof d); return d;
    case WEIGHTS_F16: return (double)half_to_float(get_le16(p));
    case WEIGHTS_BF16: bits = (uint32_t)get_le16(p) << 16; break;
    default: bits = get_le32(p);
    }
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

void weights_values(const struct weights_array *a, uint64_t from, uint64_t n, double *out)
{
    BUG_ON(!weights_type_is_float(a->type) || from > a->count || n > a->count - from);
    const size_t each = weights_type_bytes(a->type);
    uint64_t index[WEIGHTS_DIMS];
    uint64_t at = 0; /* of the element that comes next, in elements of the storage */
    for (int d = a->dims - 1; d >= 0 && n; d--) {
        index[d] = from % a->shape[d];
        from /= a->shape[d];
        at += index[d] * a->stride[d];
    }
    for (uint64_t i = 0; i < n; i++) {
        out[i] = element(a->type, a->data + at * each);
        for (int d = a->dims - 1; d >= 0; d--) {
            at += a->stride[d];
            if (++index[d] < a->shape[d]) {
                break;
            }
            at -= a->shape[d] * a->stride[d];
            index[d] = 0;
        }
    }
}

/* ---- the plainest of the formats ---- */

static bool type_of(const char *dtype, enum weights_type *type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, dtype) == 0) {
            *type = (enum weights_type)i;
            return true;
        }
    }
    return false;
}

int weights_read_safetensors(struct weights *w)
{
    int rc = safetensors_read(w->path, w->file, &w->safetensors);
    for (size_t i = 0; !rc && i < safetensors_count(w->safetensors); i++) {
        const struct safetensors_tensor *t = safetensors_at(w->safetensors, i);
        struct weights_array a = {.dims = t->dims, .data = t->data};
        if (!type_of(t->dtype, &a.type)) {
            return err_set(E_FORMAT, "%s: tensor \"%.80s\" is %s, which no weight is", w->path,
                           t->name, t->dtype);
        }
        memcpy(a.shape, t->shape, (size_t)t->dims * sizeof *t->shape);
        if (!weights_set_contiguous(&a)) {
            return err_set(E_FORMAT, "%s: tensor \"%.80s\" has an impossible shape", w->path,
                           t->name);
        }
        rc = weights_add(w, view_str(t->name), &a);
    }
    return rc;
}
