#include "detector/import_caffe.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

enum { NAME_ROOM = 128 };

/* What a layer's normalisation does to output channel o: y = x * scale + shift. */
struct affine {
    const struct caffe_layer *norm;  /* mean sum, variance sum, factor */
    const struct caffe_layer *scale; /* gamma, beta */
};

static bool has_prefix(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_normalisation(const struct caffe_layer *layer)
{
    return has_prefix(layer->name, "bn") || has_prefix(layer->name, "scale");
}

static struct affine find_affine(const struct caffemodel *model, const char *name)
{
    char key[NAME_ROOM];
    struct affine a;
    const bool residual = has_prefix(name, "res");
    snprintf(key, sizeof key, "bn%s%.100s", residual ? "" : "_", residual ? name + 3 : name);
    a.norm = caffemodel_find(model, key);
    snprintf(key, sizeof key, "scale%s%.100s", residual ? "" : "_", residual ? name + 3 : name);
    a.scale = caffemodel_find(model, key);
    return a;
}

static int check_affine(const char *name, const struct affine *a, uint64_t channels)
{
    if (!a->norm || !a->scale || a->norm->blobs != 3 || a->scale->blobs != 2) {
        return err_set(E_MODEL,
                       "layer \"%.80s\" has neither a bias nor BatchNorm and Scale layers named "
                       "after it",
                       name);
    }
    if (a->norm->blob[0].count != channels || a->norm->blob[1].count != channels ||
        a->norm->blob[2].count != 1 || a->scale->blob[0].count != channels ||
        a->scale->blob[1].count != channels) {
        return err_set(E_MODEL, "the normalisation of layer \"%.80s\" is not for its %llu channels",
                       name, (unsigned long long)channels);
    }
    return 0;
}

static void affine_of(const struct affine *a, uint64_t o, double *scale, double *shift)
{
    const double stored = (double)caffe_blob_at(&a->norm->blob[2], 0);
    const double factor = stored == 0 ? 0 : 1 / stored; /* batch_norm_layer.cpp */
    const double mean = factor * (double)caffe_blob_at(&a->norm->blob[0], o);
    const double variance = factor * (double)caffe_blob_at(&a->norm->blob[1], o);
    *scale = (double)caffe_blob_at(&a->scale->blob[0], o) / sqrt(variance + CAFFE_BATCH_NORM_EPS);
    *shift = (double)caffe_blob_at(&a->scale->blob[1], o) - mean * *scale;
}

/* The shape without the ones that old files put in front of a matrix's two dimensions. */
static void plain_shape(const struct caffe_blob *b, const uint64_t **shape, int *dims)
{
    int skip = 0;
    while (b->dims == 4 && skip < 2 && b->shape[0] == 1 && b->shape[skip] == 1) {
        skip++;
    }
    skip = skip == 2 ? 2 : 0;
    *shape = b->shape + skip;
    *dims = b->dims - skip;
}

static int add_folded(const char *name, const struct caffe_layer *layer, const struct affine *a,
                      struct safetensors_writer *out)
{
    const struct caffe_blob *w = &layer->blob[0];
    const uint64_t channels = w->shape[0];
    const uint64_t each = channels ? w->count / channels : 0;
    char key[NAME_ROOM];
    float *to;
    int rc = check_affine(name, a, channels);
    snprintf(key, sizeof key, "%.100s.weight", name);
    rc = rc ? rc : safetensors_writer_add(out, key, w->dims, w->shape, &to);
    for (uint64_t i = 0; i < w->count && !rc; i++) {
        double scale;
        double shift;
        affine_of(a, i / each, &scale, &shift);
        to[i] = (float)((double)caffe_blob_at(w, i) * scale);
    }
    snprintf(key, sizeof key, "%.100s.bias", name);
    rc = rc ? rc : safetensors_writer_add(out, key, 1, &channels, &to);
    for (uint64_t o = 0; o < channels && !rc; o++) {
        double scale;
        double shift;
        affine_of(a, o, &scale, &shift);
        to[o] = (float)shift;
    }
    return rc;
}

static int add_plain(const char *name, const char *kind, const struct caffe_blob *b, int dims,
                     const uint64_t *shape, struct safetensors_writer *out)
{
    char key[NAME_ROOM];
    float *to;
    snprintf(key, sizeof key, "%.100s.%s", name, kind);
    const int rc = safetensors_writer_add(out, key, dims, shape, &to);
    if (!rc) {
        memcpy(to, b->data, b->count * sizeof *to);
    }
    return rc;
}

static int import_layer(const struct caffemodel *model, const struct caffe_layer *layer,
                        struct safetensors_writer *out)
{
    const uint64_t *shape;
    int dims;
    plain_shape(&layer->blob[0], &shape, &dims);
    if (layer->blobs == 1 && dims == 4) {
        const struct affine a = find_affine(model, layer->name);
        return add_folded(layer->name, layer, &a, out);
    }
    int rc = add_plain(layer->name, "weight", &layer->blob[0], dims, shape, out);
    if (!rc && layer->blobs > 1) {
        const struct caffe_blob *bias = &layer->blob[1];
        rc = add_plain(layer->name, "bias", bias, 1, &bias->count, out);
    }
    return rc;
}

int import_caffe(const struct caffemodel *model, struct safetensors_writer *out)
{
    int rc = 0;
    for (size_t i = 0; i < caffemodel_layers(model) && !rc; i++) {
        const struct caffe_layer *layer = caffemodel_layer(model, i);
        rc = is_normalisation(layer) ? 0 : import_layer(model, layer, out);
    }
    return rc;
}
