#include "detector/model.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAMES_MAX = 60000 }; /* ids are 16 bits in a record */

void model_fail(struct model *m, const char *fmt, ...)
{
    if (m->rc) {
        return;
    }
    char why[700];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    m->rc = err_set(E_MODEL, "%s: %s", m->path, why);
}

static json_t *metadata_json(struct model *m, const char *key)
{
    const char *text = safetensors_metadata(m->file, key);
    if (!text) {
        model_fail(m,
                   "the metadata has no \"%s\"; a pairmill model needs it (pairmill model import "
                   "writes it)",
                   key);
        return NULL;
    }
    json_error_t why;
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (!j) {
        model_fail(m, "the metadata entry \"%s\" is not JSON: %s", key, why.text);
    }
    return j;
}

static struct detector_names read_names(struct model *m, const char *key, json_t **json)
{
    struct detector_names names = {.n = 0};
    *json = metadata_json(m, key);
    if (m->rc) {
        return names;
    }
    const size_t n = json_array_size(*json);
    if (!json_is_array(*json) || n > NAMES_MAX) {
        model_fail(m, "the metadata entry \"%s\" is not a list of at most %d names", key,
                   NAMES_MAX);
        return names;
    }
    const char **name = model_own(m, (n + 1) * sizeof *name);
    for (size_t i = 0; name && i < n; i++) {
        name[i] = json_string_value(json_array_get(*json, i));
        if (!name[i]) {
            model_fail(m, "entry %zu of \"%s\" is not a name", i, key);
            return names;
        }
    }
    if (name) {
        names = (struct detector_names){.n = (uint32_t)n, .name = name};
    }
    return names;
}

static void check_format(struct model *m)
{
    const char *format = safetensors_metadata(m->file, "format");
    if (!format || strncmp(format, "pairmill-model/", 15) != 0) {
        model_fail(m,
                   "the metadata does not say \"format\": \"pairmill-model/1\", so this is not a "
                   "pairmill model; convert weights with pairmill model import");
    } else if (strcmp(format, "pairmill-model/1") != 0) {
        m->rc = err_set(E_VERSION,
                        "%s: the model's format is %.40s; this pairmill reads "
                        "pairmill-model/1",
                        m->path, format);
    }
}

int model_open(const char *path, struct model *m)
{
    *m = (struct model){.rc = 0};
    int rc = safetensors_open(path, &m->file);
    if (rc) {
        return rc;
    }
    m->path = strdup(path);
    m->used = calloc(safetensors_count(m->file) + 1, sizeof *m->used);
    if (!m->path || !m->used) {
        model_release(m);
        return err_set(E_NOMEM, "no memory to open %s", path);
    }
    check_format(m);
    m->config = m->rc ? NULL : metadata_json(m, "config");
    m->preprocess = m->rc ? NULL : metadata_json(m, "preprocess");
    m->objects = m->rc ? m->objects : read_names(m, "objects", &m->object_json);
    m->attributes = m->rc ? m->attributes : read_names(m, "attributes", &m->attribute_json);
    rc = m->rc;
    if (rc) {
        model_release(m);
    }
    return rc;
}

void model_release(struct model *m)
{
    for (size_t i = 0; i < m->owned_count; i++) {
        free(m->owned[i]);
    }
    free(m->owned);
    free(m->used);
    free(m->path);
    json_decref(m->config);
    json_decref(m->preprocess);
    json_decref(m->object_json);
    json_decref(m->attribute_json);
    safetensors_close(m->file);
    *m = (struct model){.rc = 0};
}

/* Remembers that the file lacks a tensor, but goes on: the sentence shall say how many. */
static void miss(struct model *m, const char *name)
{
    if (m->rc == 0) {
        m->rc = E_MODEL;
        snprintf(m->first_missing, sizeof m->first_missing, "%s", name);
    }
    m->missing++;
}

static size_t count_superfluous(const struct model *m, const char **first)
{
    size_t superfluous = 0;
    *first = NULL;
    for (size_t i = 0; i < safetensors_count(m->file); i++) {
        if (!m->used[i]) {
            *first = *first ? *first : safetensors_at(m->file, i)->name;
            superfluous++;
        }
    }
    return superfluous;
}

int model_finish(struct model *m)
{
    const char *first;
    char more[200] = "";
    const size_t superfluous = count_superfluous(m, &first);
    if (superfluous) {
        snprintf(more, sizeof more,
                 "%zu tensor%s not part of the architecture, the first is \"%.80s\"", superfluous,
                 superfluous == 1 ? " is" : "s are", first);
    }
    if (m->first_missing[0] && m->missing == 1) {
        m->rc = err_set(E_MODEL, "%s: tensor \"%s\" is missing%s%s", m->path, m->first_missing,
                        superfluous ? ", and " : "", more);
    } else if (m->first_missing[0]) {
        m->rc =
            err_set(E_MODEL, "%s: %zu of %zu tensors are missing, the first is \"%s\"%s%s", m->path,
                    m->missing, m->wanted, m->first_missing, superfluous ? ", and " : "", more);
    } else if (superfluous) {
        model_fail(m, "%s", more);
    }
    return m->rc;
}

double model_number(struct model *m, const json_t *from, const char *key, double min, double max)
{
    const json_t *j = json_object_get(from, key);
    if (!json_is_number(j)) {
        model_fail(m, "the config has no number \"%s\"", key);
        return min;
    }
    const double v = json_number_value(j);
    if (!(v >= min && v <= max)) {
        model_fail(m, "\"%s\" is %g in the config; it must be within %g and %g", key, v, min, max);
        return min;
    }
    return v;
}

int model_int(struct model *m, const json_t *from, const char *key, int min, int max)
{
    const double v = model_number(m, from, key, min, max);
    if (v != floor(v)) {
        model_fail(m, "\"%s\" is %g in the config; it must be a whole number", key, v);
    }
    return (int)v;
}

int model_int_or(struct model *m, const json_t *from, const char *key, int min, int max,
                 int fallback)
{
    return json_object_get(from, key) ? model_int(m, from, key, min, max) : fallback;
}

bool model_bool(struct model *m, const json_t *from, const char *key)
{
    const json_t *j = json_object_get(from, key);
    if (!json_is_boolean(j)) {
        model_fail(m, "the config has no true or false \"%s\"", key);
    }
    return json_is_true(j);
}

const char *model_string(struct model *m, const json_t *from, const char *key, const char *fallback)
{
    const json_t *j = json_object_get(from, key);
    if (!j && fallback) {
        return fallback;
    }
    if (!json_is_string(j)) {
        model_fail(m, "the config has no string \"%s\"", key);
        return "";
    }
    return json_string_value(j);
}

int model_numbers(struct model *m, const json_t *from, const char *key, double min, double max,
                  double *out, int room)
{
    const json_t *j = json_object_get(from, key);
    const size_t n = json_array_size(j);
    if (n < 1 || n > (size_t)room) {
        model_fail(m, "the config has no list \"%s\" of 1 to %d numbers", key, room);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(j, i);
        out[i] = json_number_value(v);
        if (!json_is_number(v) || !(out[i] >= min && out[i] <= max)) {
            model_fail(m, "\"%s\" in the config holds something else than numbers within %g and %g",
                       key, min, max);
            return 0;
        }
    }
    return (int)n;
}

void *model_own(struct model *m, size_t bytes)
{
    void **owned = realloc(m->owned, (m->owned_count + 1) * sizeof *owned);
    void *p = owned ? aligned_alloc(64, (bytes + 63) / 64 * 64) : NULL;
    m->owned = owned ? owned : m->owned;
    if (!p) {
        if (!m->rc) {
            m->rc = err_set(E_NOMEM, "%s: no memory for %zu MB of weights", m->path, bytes >> 20);
        }
        return NULL;
    }
    m->owned[m->owned_count++] = p;
    return p;
}

/* "[64, 3, 7, 7]"; a 0 is printed as "any". */
static const char *shape_text(int dims, const uint64_t *shape, char *text, size_t room)
{
    size_t n = (size_t)snprintf(text, room, "[");
    for (int d = 0; d < dims && n < room; d++) {
        const char *comma = d ? ", " : "";
        n += shape[d] ? (size_t)snprintf(text + n, room - n, "%s%llu", comma,
                                         (unsigned long long)shape[d])
                      : (size_t)snprintf(text + n, room - n, "%sany", comma);
    }
    if (n < room) {
        snprintf(text + n, room - n, "]");
    }
    return text;
}

static bool check_shape(struct model *m, const struct safetensors_tensor *t, int dims, int *shape)
{
    uint64_t want[SAFETENSORS_DIMS];
    bool ok = t->dims == dims;
    for (int d = 0; d < dims; d++) {
        want[d] = (uint64_t)shape[d];
        ok = ok && (want[d] ? t->shape[d] == want[d] : t->shape[d] > 0 && t->shape[d] < 1 << 20);
    }
    if (!ok) {
        char a[128];
        char b[128];
        model_fail(m, "tensor \"%.80s\" has the shape %s where the architecture needs %s", t->name,
                   shape_text(t->dims, t->shape, a, sizeof a), shape_text(dims, want, b, sizeof b));
        return false;
    }
    for (int d = 0; d < dims; d++) {
        shape[d] = (int)t->shape[d];
    }
    return true;
}

const float *model_tensor(struct model *m, const char *name, int dims, int *shape)
{
    size_t index = 0;
    const struct safetensors_tensor *t = safetensors_find(m->file, name, &index);
    m->wanted++;
    if (!t) {
        miss(m, name);
        return NULL;
    }
    m->used[index] = true;
    if (m->rc) {
        return NULL;
    }
    if (strcmp(t->dtype, "F32") != 0) {
        model_fail(m, "tensor \"%s\" is %s; weights must be F32", name, t->dtype);
        return NULL;
    }
    if (!check_shape(m, t, dims, shape)) {
        return NULL;
    }
    const float *p = t->data;
    if ((uintptr_t)t->data % _Alignof(float)) {
        float *copy = model_own(m, t->bytes);
        if (!copy) {
            return NULL;
        }
        memcpy(copy, t->data, t->bytes);
        p = copy;
    }
    for (uint64_t i = 0; i < t->count; i++) {
        if (!isfinite(p[i])) {
            model_fail(m, "tensor \"%s\" holds a number that is not finite, at index %llu", name,
                       (unsigned long long)i);
            return NULL;
        }
    }
    return p;
}

static const char *own_name(struct model *m, const char *name)
{
    char *copy = model_own(m, strlen(name) + 1);
    return copy ? memcpy(copy, name, strlen(name) + 1) : NULL;
}

/* Every group of a convolution has as many channels as the next. */
static void check_groups(struct model *m, const char *name, const struct conv *c, int channels,
                         const char *what)
{
    if (channels % conv_groups(c)) {
        model_fail(m,
                   "\"%.80s\" has %d %s channels, which the %d groups that the config asks for do "
                   "not divide",
                   name, channels, what, conv_groups(c));
    }
}

/* Weight (of `dims` dimensions) and bias of a layer. */
static void read_layer(struct model *m, const char *name, int dims, const int *shape_wanted,
                       struct conv *c)
{
    char key[160];
    int shape[5];
    memcpy(shape, shape_wanted, (size_t)dims * sizeof *shape);
    snprintf(key, sizeof key, "%s.weight", name);
    const float *weight = model_tensor(m, key, dims, shape);
    c->out = shape[0];
    c->in = shape[1] * conv_groups(c);
    check_groups(m, name, c, c->out, "output");
    snprintf(key, sizeof key, "%s.bias", name);
    c->bias = model_tensor(m, key, 1, shape);
    c->name = own_name(m, name);
    if (m->rc) {
        return;
    }
    float *room = model_own(m, conv_prepared_floats(c) * sizeof *room);
    if (room) {
        conv_prepare(c, weight, room);
    }
}

void model_conv(struct model *m, const char *name, struct conv *c)
{
    const int in = c->in / conv_groups(c);
    check_groups(m, name, c, c->in, "input");
    if (c->taps > 0) {
        read_layer(m, name, 5, (const int[]){c->out, in, c->taps, c->kernel, c->kernel}, c);
    } else {
        read_layer(m, name, 4, (const int[]){c->out, in, c->kernel, c->kernel}, c);
    }
}

void model_linear(struct model *m, const char *name, struct conv *c)
{
    c->kernel = 1;
    c->stride = 1;
    c->dilation = 1;
    read_layer(m, name, 2, (const int[]){c->out, c->in}, c);
}

void model_linear_of_map(struct model *m, const char *name, int side, struct conv *c)
{
    /* What a convolution with a window as large as the map would be prepared as. */
    struct conv window = {.in = c->in, .out = c->out, .kernel = side, .stride = 1, .dilation = 1};
    char key[160];
    int shape[2] = {c->out, c->in * side * side};
    snprintf(key, sizeof key, "%s.weight", name);
    const float *weight = model_tensor(m, key, 2, shape);
    window.out = shape[0];
    float *room = m->rc ? NULL : model_own(m, conv_prepared_floats(&window) * sizeof *room);
    c->in = shape[1];
    c->out = shape[0];
    c->kernel = c->stride = c->dilation = 1;
    c->name = own_name(m, name);
    snprintf(key, sizeof key, "%s.bias", name);
    c->bias = model_tensor(m, key, 1, shape);
    if (room) {
        conv_prepare(&window, weight, room);
        c->weight = window.weight;
    }
}
