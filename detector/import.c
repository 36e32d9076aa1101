#include "detector/import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detector/import_names.h"

enum { CHUNK = 512 };

/* An array under its name of today; `norm` where it belongs to a normalisation. */
struct entry {
    char name[IMPORT_NAME_ROOM];
    const struct weights_array *array;
    bool is_norm;
};

/* A normalisation and the convolution it follows. */
struct norm {
    char convolution[IMPORT_NAME_ROOM];
    const struct weights_array *mean;
    const struct weights_array *variance;
    const struct weights_array *factor; /* Caffe's, by which mean and variance are to be divided */
    const struct weights_array *gamma;
    const struct weights_array *beta;
};

struct import {
    const char *path;
    double eps;
    struct entry *entry; /* [entries], by name */
    size_t entries;
    struct norm *norm; /* [norms], by convolution */
    size_t norms;
};

/* ---- names ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static struct entry *find(const struct import *im, const char *layer, const char *kind)
{
    struct entry key;
    const int n = snprintf(key.name, sizeof key.name, "%s%s%s", layer, *kind ? "." : "", kind);
    return n < (int)sizeof key.name
               ? bsearch(&key, im->entry, im->entries, sizeof *im->entry, by_name)
               : NULL;
}

/* Whether an array is one that the file has under another name, too. */
static bool is_twin(const struct weights *w, const struct weights_array *a)
{
    char name[IMPORT_NAME_ROOM];
    const struct weights_array *b = import_twin(a->name, name) ? weights_find(w, name) : NULL;
    if (!b || a->type != b->type || a->dims != b->dims ||
        memcmp(a->shape, b->shape, sizeof a->shape) != 0 ||
        memcmp(a->stride, b->stride, sizeof a->stride) != 0) {
        return false;
    }
    uint64_t last = 0; /* of the elements of both, counted from their first */
    for (int d = 0; d < a->dims; d++) {
        last += a->shape[d] ? (a->shape[d] - 1) * a->stride[d] : 0;
    }
    return a->data == b->data || a->count == 0 ||
           memcmp(a->data, b->data, (last + 1) * weights_type_bytes(a->type)) == 0;
}

static int list_entries(struct import *im, const struct weights *w, const char *architecture)
{
    im->entry = calloc(weights_count(w) + 1, sizeof *im->entry);
    if (!im->entry) {
        return err_set(E_NOMEM, "%s: no memory for its %zu arrays", im->path, weights_count(w));
    }
    for (size_t i = 0; i < weights_count(w); i++) {
        const struct weights_array *a = weights_at(w, i);
        if (import_drops(a->name) || is_twin(w, a)) {
            continue;
        }
        if (!weights_type_is_float(a->type)) {
            return err_set(E_MODEL, "%s: tensor \"%.80s\" holds %s numbers, which no weight is",
                           im->path, a->name, weights_type_name(a->type));
        }
        struct entry *e = &im->entry[im->entries++];
        e->array = a;
        import_rename(architecture, a->name, e->name);
    }
    qsort(im->entry, im->entries, sizeof *im->entry, by_name);
    return 0;
}

/* ---- normalisation ---- */

/* What `name` ends with after its last dot is `kind`: the rest goes to `layer`. */
static bool split(const char *name, const char *kind, char *layer)
{
    const char *dot = strrchr(name, '.');
    if (!dot || strcmp(dot + 1, kind) != 0) {
        return false;
    }
    snprintf(layer, IMPORT_NAME_ROOM, "%.*s", (int)(dot - name), name);
    return true;
}

/* A Sequential stands for its last convolution: r2plus1d's conv1.0 for conv1.0.3. */
static bool last_convolution(const struct import *im, char *name)
{
    if (find(im, name, "weight")) {
        return true;
    }
    for (char i = '9'; i >= '0'; i--) {
        char inner[IMPORT_NAME_ROOM + 8];
        snprintf(inner, sizeof inner, "%s.%c", name, i);
        if (find(im, inner, "weight") && !find(im, inner, "running_mean")) {
            snprintf(name, IMPORT_NAME_ROOM, "%.*s", IMPORT_NAME_ROOM - 1, inner);
            return true;
        }
    }
    return false;
}

/* The array of the normalisation, as long as the mean; marks it as no tensor of its own. */
static int take(const struct import *im, const char *layer, const char *kind, uint64_t length,
                const struct weights_array **out)
{
    struct entry *e = find(im, layer, kind);
    *out = e ? e->array : NULL;
    if (!e) {
        return err_set(E_MODEL, "%s: the normalisation \"%.80s\" has no \"%.80s.%s\"", im->path,
                       layer, layer, kind);
    }
    e->is_norm = true;
    if (e->array->dims > 1 || e->array->count != length) {
        return err_set(E_MODEL, "%s: \"%.80s.%s\" is not for %llu channels, as its convolution is",
                       im->path, layer, kind, (unsigned long long)length);
    }
    return 0;
}

static int read_norm(const struct import *im, const char *name, struct norm *n)
{
    char affine[IMPORT_NAME_ROOM];
    if (!import_norm_of(name, n->convolution, affine) || !last_convolution(im, n->convolution)) {
        return err_set(E_MODEL, "%s: no convolution comes before the normalisation \"%.80s\"",
                       im->path, name);
    }
    const struct weights_array *weight = find(im, n->convolution, "weight")->array;
    const uint64_t channels = weight->dims ? weight->shape[0] : 0;
    int rc = take(im, name, "running_mean", channels, &n->mean);
    rc = rc ? rc : take(im, name, "running_var", channels, &n->variance);
    if (!rc && find(im, name, "factor")) {
        rc = take(im, name, "factor", 1, &n->factor);
    }
    rc = rc ? rc : take(im, affine, "weight", channels, &n->gamma);
    return rc ? rc : take(im, affine, "bias", channels, &n->beta);
}

static int by_convolution(const void *a, const void *b)
{
    return strcmp(((const struct norm *)a)->convolution, ((const struct norm *)b)->convolution);
}

static int list_norms(struct import *im)
{
    im->norm = calloc(im->entries + 1, sizeof *im->norm);
    if (!im->norm) {
        return err_set(E_NOMEM, "%s: no memory for its normalisations", im->path);
    }
    for (size_t i = 0; i < im->entries; i++) {
        char name[IMPORT_NAME_ROOM];
        const int rc = split(im->entry[i].name, "running_mean", name)
                           ? read_norm(im, name, &im->norm[im->norms++])
                           : 0;
        if (rc) {
            return rc;
        }
    }
    qsort(im->norm, im->norms, sizeof *im->norm, by_convolution);
    for (size_t i = 1; i < im->norms; i++) {
        if (by_convolution(&im->norm[i - 1], &im->norm[i]) == 0) {
            return err_set(E_MODEL, "%s: two normalisations follow the convolution \"%.80s\"",
                           im->path, im->norm[i].convolution);
        }
    }
    return 0;
}

static const struct norm *find_norm(const struct import *im, const char *convolution)
{
    struct norm key;
    snprintf(key.convolution, sizeof key.convolution, "%s", convolution);
    return bsearch(&key, im->norm, im->norms, sizeof *im->norm, by_convolution);
}

static double value(const struct weights_array *a, uint64_t i)
{
    double v;
    weights_values(a, i, 1, &v);
    return v;
}

/* What the normalisation does to channel o: y = x * scale + (beta - mean * scale). */
static double channel_scale(const struct import *im, const struct norm *n, uint64_t o, double *mean)
{
    double factor = 1;
    if (n->factor) {
        const double stored = value(n->factor, 0);
        factor = stored == 0 ? 0 : 1 / stored; /* batch_norm_layer.cpp */
    }
    *mean = factor * value(n->mean, o);
    return value(n->gamma, o) / sqrt(factor * value(n->variance, o) + im->eps);
}

/* ---- tensors ---- */

/* Elements [from, from + n) times `scale`, rounded. */
static void copy_scaled(const struct weights_array *a, uint64_t from, uint64_t n, double scale,
                        float *out)
{
    double chunk[CHUNK];
    for (uint64_t done = 0; done < n;) {
        const uint64_t some = n - done < CHUNK ? n - done : CHUNK;
        weights_values(a, from + done, some, chunk);
        for (uint64_t i = 0; i < some; i++) {
            out[done + i] = (float)(chunk[i] * scale);
        }
        done += some;
    }
}

static int add_plain(const char *name, const struct weights_array *a,
                     struct safetensors_writer *out)
{
    float *to;
    const int rc = safetensors_writer_add(out, name, a->dims, a->shape, &to);
    if (!rc) {
        copy_scaled(a, 0, a->count, 1, to);
    }
    return rc;
}

/* The convolution's weight and bias, normalised. */
static int add_folded(const struct import *im, const struct norm *n,
                      const struct weights_array *weight, struct safetensors_writer *out)
{
    const struct entry *own = find(im, n->convolution, "bias");
    const uint64_t channels = weight->shape[0];
    const uint64_t each = channels ? weight->count / channels : 0;
    char name[IMPORT_NAME_ROOM + 8];
    float *to;
    double mean;
    if (own && own->array->count != channels) {
        return err_set(E_MODEL, "%s: \"%.80s.bias\" is not for %llu channels, as its weight is",
                       im->path, n->convolution, (unsigned long long)channels);
    }
    snprintf(name, sizeof name, "%s.weight", n->convolution);
    int rc = safetensors_writer_add(out, name, weight->dims, weight->shape, &to);
    for (uint64_t o = 0; o < channels && !rc; o++) {
        copy_scaled(weight, o * each, each, channel_scale(im, n, o, &mean), to + o * each);
    }
    snprintf(name, sizeof name, "%s.bias", n->convolution);
    rc = rc ? rc : safetensors_writer_add(out, name, 1, &channels, &to);
    for (uint64_t o = 0; o < channels && !rc; o++) {
        const double scale = channel_scale(im, n, o, &mean);
        const double bias = own ? value(own->array, o) : 0;
        to[o] = (float)(value(n->beta, o) + (bias - mean) * scale);
    }
    return rc;
}

static int add_entry(const struct import *im, const struct entry *e, struct safetensors_writer *out)
{
    char layer[IMPORT_NAME_ROOM];
    if (e->is_norm) {
        return 0;
    }
    if (split(e->name, "weight", layer) && find_norm(im, layer)) {
        return add_folded(im, find_norm(im, layer), e->array, out);
    }
    if (split(e->name, "bias", layer) && find_norm(im, layer)) {
        return 0; /* folded with its weight */
    }
    return add_plain(e->name, e->array, out);
}

int import_weights(const struct weights *w, const char *architecture, double eps,
                   struct safetensors_writer *out)
{
    struct import im = {.path = weights_path(w), .eps = eps};
    int rc = list_entries(&im, w, architecture);
    rc = rc ? rc : list_norms(&im);
    for (size_t i = 0; i < im.entries && !rc; i++) {
        rc = add_entry(&im, &im.entry[i], out);
    }
    free(im.entry);
    free(im.norm);
    return rc;
}

/* ---- what they look like ---- */

const char *import_guess(const struct weights *w)
{
    static const struct {
        const char *tensor;
        const char *network;
    } marks[] = {
        {"roi_heads.box_head.3.0.weight", "frcnn-r50-fpn-v2"},
        {"backbone.fpn.inner_blocks.0.weight", "frcnn-r50-fpn"},
        {"backbone.fpn.inner_blocks.0.0.weight", "frcnn-r50-fpn"},
        {"res4b22_branch2c.weight", "butd-r101-c4"},
        {"roi_heads.box_predictor.attr_linear1.weight", "butd-r101-c4"},
        {"backbone.body.layer3.35.conv3.weight", "frcnn-x152-c4"},
        {"backbone.res4.22.conv3.weight", "frcnn-r101-c4"},
        {"backbone.res4.5.conv3.weight", "frcnn-r50-c4"},
        {"mixed_5c.conv_b0.conv1.weight", "s3dg-howto100m"},
        {"features.15.branch0.0.weight", "s3d"},
        {"layer1.0.conv1.0.3.weight", "r2plus1d-18"},
        {"layer1.0.conv1.0.weight", "r3d-18"},
        {"layer3.35.conv3.weight", "resnet-152"},
        {"layer3.22.conv3.weight", "resnet-101"},
        {"layer3.5.conv3.weight", "resnet-50"},
    };
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (weights_find(w, marks[i].tensor)) {
            return marks[i].network;
        }
    }
    return NULL;
}

uint64_t import_classes(const struct weights *w, const char *what, bool *published)
{
    static const struct {
        const char *tensor;
        const char *what;
        uint64_t background;
        bool published;
    } layers[] = {
        {"cls_score.weight", "objects", 1, true}, /* bottom-up-attention and its ports */
        {"attr_score.weight", "attributes", 1, true},
        {"roi_heads.box_predictor.attr_linear2.weight", "attributes", 1, true},
        {"attribute.predictor.attr_score.weight", "attributes", 1, true}, /* VinVL */
        {"roi_heads.box_predictor.attr_score.weight", "attributes", 1, true},
        {"roi_heads.box_predictor.cls_score.weight", "objects", 1, true}, /* torchvision, too */
        {"roi_heads.box.predictor.cls_score.weight", "objects", 1, true}, /* maskrcnn-benchmark */
        {"fc.weight", "objects", 0, false}, /* classifiers of frames and clips */
        {"classifier.1.weight", "objects", 0, false},
    };
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        const struct weights_array *a = weights_find(w, layers[i].tensor);
        if (a && strcmp(layers[i].what, what) == 0 && a->dims &&
            a->shape[0] > layers[i].background) {
            *published = layers[i].published;
            return a->shape[0] - layers[i].background;
        }
    }
    *published = false;
    return 0;
}
