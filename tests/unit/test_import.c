/* Folding and renaming, on weight files written by hand. */
#include <criterion/criterion.h>
#include <math.h>

#include "detector/import.h"
#include "detector/import_names.h"
#include "detector/safetensors.h"
#include "detector_fixture.h"
#include "weights_fixture.h"

/* A state dict of float arrays, as a pickle of numpy. */
struct dict {
    struct buf bytes;
};

static void dict_init(struct dict *d)
{
    buf_init(&d->bytes, 1 << 20);
    pickle_begin(&d->bytes);
    pickle_op(&d->bytes, "}(");
}

static void dict_add(struct dict *d, const char *name, int dims, const unsigned *shape,
                     const float *values)
{
    size_t count = 1;
    for (int i = 0; i < dims; i++) {
        count *= shape[i];
    }
    pickle_text(&d->bytes, name);
    pickle_ndarray(&d->bytes, "f4", "<", false, dims, shape, values, count * sizeof *values);
}

static const unsigned two[1] = {2};
static const float weight[6] = {1, 2, 3, 4, 5, 6};
static const float mean[2] = {2, -4};
static const float variance[2] = {8, 2};
static const float gamma_of[2] = {3, 0.5f};
static const float beta[2] = {-1, 7};
static const float bias[2] = {0.25f, -0.5f};

static void dict_add_norm(struct dict *d, const char *name)
{
    static const struct {
        const char *kind;
        const float *values;
    } parts[] = {
        {"running_mean", mean}, {"running_var", variance}, {"weight", gamma_of}, {"bias", beta}};
    for (size_t i = 0; i < 4; i++) {
        char key[100];
        snprintf(key, sizeof key, "%s.%s", name, parts[i].kind);
        dict_add(d, key, 1, two, parts[i].values);
    }
}

static int import(const struct buf *bytes, const char *arch, double eps,
                  struct safetensors_writer *out)
{
    struct weights *w = NULL;
    cr_assert_eq(open_bytes(bytes, &w), 0, "%s", err_text());
    cr_assert_eq(safetensors_writer_init(out), 0);
    const int rc = import_weights(w, arch, eps, out);
    weights_close(w);
    return rc;
}

/* The tensors that came out. */
static struct safetensors *import_or_fail(const struct buf *bytes, const char *arch, double eps)
{
    struct safetensors_writer out;
    struct safetensors *st = NULL;
    struct scratch_file f;
    scratch_file_init(&f);
    cr_assert_eq(import(bytes, arch, eps, &out), 0, "%s", err_text());
    cr_assert_eq(safetensors_writer_save(&out, f.path), 0);
    cr_assert_eq(safetensors_open(f.path, &st), 0, "%s", err_text());
    safetensors_writer_release(&out);
    scratch_file_release(&f);
    return st;
}

static struct safetensors *import_dict(struct dict *d, const char *arch, double eps)
{
    pickle_op(&d->bytes, "u.");
    struct safetensors *st = import_or_fail(&d->bytes, arch, eps);
    buf_release(&d->bytes);
    return st;
}

/* The layer is `weight`, with a bias or without, normalised: computed in double, rounded once. */
static void expect_folded(const struct safetensors *st, const char *layer, const float *own,
                          double factor, double eps)
{
    char key[100];
    snprintf(key, sizeof key, "%s.weight", layer);
    const struct safetensors_tensor *w = safetensors_find(st, key, NULL);
    snprintf(key, sizeof key, "%s.bias", layer);
    const struct safetensors_tensor *b = safetensors_find(st, key, NULL);
    cr_assert(w && b && b->count == 2, "%s is missing", key);
    for (int o = 0; o < 2; o++) {
        const double scale = (double)gamma_of[o] / sqrt((double)variance[o] * factor + eps);
        const double shift = own ? (double)own[o] : 0.0;
        cr_assert_eq(((const float *)b->data)[o],
                     (float)((double)beta[o] + (shift - (double)mean[o] * factor) * scale));
        for (int i = 0; i < 3; i++) {
            cr_assert_eq(((const float *)w->data)[3 * o + i],
                         (float)((double)weight[3 * o + i] * scale));
        }
    }
}

Test(import, folds_normalisation_whatever_its_name)
{
    static const struct {
        const char *convolution;
        const char *norm;
    } pairs[] = {{"backbone.stem.conv1", "backbone.stem.conv1.norm"},
                 {"layer1.0.conv2", "layer1.0.bn2"},
                 {"conv1", "bn1"},
                 {"layer1.0.downsample.0", "layer1.0.downsample.1"},
                 {"features.5.branch1.1.0.0", "features.5.branch1.1.0.1"},
                 {"layer2.0.conv1.0.3", "layer2.0.conv1.1"}, /* of a Conv2Plus1D */
                 {"res3b1_branch2a", "res3b1_branch2a.norm"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct dict d;
        dict_init(&d);
        dict_add(&d, "fc.bias", 1, two, bias);
        char key[100];
        snprintf(key, sizeof key, "%s.weight", pairs[i].convolution);
        dict_add(&d, key, 4, (unsigned[]){2, 3, 1, 1}, weight);
        dict_add_norm(&d, pairs[i].norm);
        struct safetensors *st = import_dict(&d, "resnet-50", 1e-3);
        cr_assert_eq(safetensors_count(st), 3);
        expect_folded(st, pairs[i].convolution, NULL, 1, 1e-3);
        safetensors_close(st);
    }
}

Test(import, folds_a_bias_of_the_convolution_too)
{
    struct dict d;
    dict_init(&d);
    dict_add(&d, "conv1.weight", 5, (unsigned[]){2, 3, 1, 1, 1}, weight);
    dict_add(&d, "conv1.bias", 1, two, bias);
    dict_add_norm(&d, "bn1");
    struct safetensors *st = import_dict(&d, "r3d-18", 0);
    cr_assert_eq(safetensors_count(st), 2);
    expect_folded(st, "conv1", bias, 1, 0);
    safetensors_close(st);
}

/* Caffe keeps sums and what to divide them by. */
Test(import, folds_caffes_normalisation)
{
    struct buf net;
    const float factor[1] = {2};
    buf_init(&net, 1 << 20);
    caffe_layer(&net, "res2a_branch1", 1, (const float *[]){weight}, 4, (unsigned[]){2, 3, 1, 1});
    caffe_layer(&net, "bn2a_branch1", 3, (const float *[]){mean, variance, factor}, 1, two);
    caffe_layer(&net, "scale2a_branch1", 2, (const float *[]){gamma_of, beta}, 1, two);
    caffe_layer(&net, "cls_score", 2, (const float *[]){bias, bias}, 1, two);
    struct safetensors *st = import_or_fail(&net, "butd-r101-c4", 1e-5);
    cr_assert_eq(safetensors_count(st), 4);
    expect_folded(st, "res2a_branch1", NULL, 0.5, 1e-5);
    safetensors_close(st);
    buf_release(&net);
}

static void refuses(struct dict *d, const char *part)
{
    struct safetensors_writer out;
    pickle_op(&d->bytes, "u.");
    cr_assert_eq(import(&d->bytes, "resnet-50", 1e-5, &out), E_MODEL);
    cr_assert(strstr(err_text(), part), "\"%s\" is not in: %s", part, err_text());
    safetensors_writer_release(&out);
    buf_release(&d->bytes);
}

Test(import, names_a_normalisation_that_it_cannot_fold)
{
    struct dict d;
    dict_init(&d);
    dict_add_norm(&d, "bn1");
    refuses(&d, "no convolution comes before the normalisation \"bn1\"");
    dict_init(&d);
    dict_add(&d, "conv1.weight", 4, (unsigned[]){3, 2, 1, 1}, weight);
    dict_add_norm(&d, "bn1");
    refuses(&d, "\"bn1.running_mean\" is not for 3 channels");
    dict_init(&d);
    dict_add(&d, "conv1.weight", 4, (unsigned[]){2, 3, 1, 1}, weight);
    dict_add(&d, "bn1.running_mean", 1, two, mean);
    refuses(&d, "the normalisation \"bn1\" has no \"bn1.running_var\"");
    dict_init(&d);
    dict_add(&d, "a.0.weight", 4, (unsigned[]){2, 3, 1, 1}, weight);
    dict_add_norm(&d, "a.1");
    dict_add_norm(&d, "a.0.norm");
    refuses(&d, "two normalisations follow the convolution \"a.0\"");
}

Test(import, drops_counters_and_refuses_other_integers)
{
    struct dict d;
    const int64_t zero = 0;
    dict_init(&d);
    dict_add(&d, "fc.weight", 2, (unsigned[]){2, 3}, weight);
    dict_add(&d, "model.pixel_mean", 1, two, mean);
    dict_add(&d, "rpn.anchor_generator.cell_anchors.0", 1, two, mean);
    pickle_text(&d.bytes, "bn1.num_batches_tracked");
    pickle_ndarray(&d.bytes, "i8", "<", false, 0, NULL, &zero, sizeof zero);
    struct safetensors *st = import_dict(&d, "resnet-50", 1e-5);
    cr_assert_eq(safetensors_count(st), 1);
    safetensors_close(st);
    dict_init(&d);
    pickle_text(&d.bytes, "steps");
    pickle_ndarray(&d.bytes, "i8", "<", false, 0, NULL, &zero, sizeof zero);
    refuses(&d, "\"steps\" holds I64 numbers");
}

/* VinVL's attribute head shares the box head's extractor, so its file has that twice. */
Test(import, drops_the_second_name_of_an_array_but_not_another_array)
{
    struct dict d;
    dict_init(&d);
    dict_add(&d, "roi_heads.box.feature_extractor.conv.weight", 2, (unsigned[]){2, 3}, weight);
    dict_add(&d, "attribute.feature_extractor.conv.weight", 2, (unsigned[]){2, 3}, weight);
    dict_add(&d, "roi_heads.box.feature_extractor.conv.bias", 1, two, mean);
    dict_add(&d, "attribute.feature_extractor.conv.bias", 1, two, beta);
    struct safetensors *st = import_dict(&d, "frcnn-x152-c4", 0);
    cr_assert_eq(safetensors_count(st), 3);
    cr_assert_null(safetensors_find(st, "attribute.feature_extractor.conv.weight", NULL));
    cr_assert(safetensors_find(st, "attribute.feature_extractor.conv.bias", NULL));
    safetensors_close(st);
}

Test(import, renames_older_spellings)
{
    static const struct {
        const char *arch;
        const char *old;
        const char *new;
    } names[] = {
        {"frcnn-r50-fpn", "backbone.fpn.inner_blocks.3.bias", "backbone.fpn.inner_blocks.3.0.bias"},
        {"frcnn-r50-fpn", "backbone.fpn.layer_blocks.0.0.weight",
         "backbone.fpn.layer_blocks.0.0.weight"},
        {"frcnn-r50-fpn", "rpn.head.conv.weight", "rpn.head.conv.0.0.weight"},
        {"frcnn-r50-fpn-v2", "rpn.head.conv.1.0.weight", "rpn.head.conv.1.0.weight"},
        {"butd-r101-c4", "backbone.stem.conv1.norm.weight", "conv1.norm.weight"},
        {"butd-r101-c4", "backbone.res2.2.conv3.weight", "res2c_branch2c.weight"},
        {"butd-r101-c4", "backbone.res4.22.shortcut.norm.bias", "res4b22_branch1.norm.bias"},
        {"butd-r101-c4", "backbone.res3.0.conv1.weight", "res3a_branch2a.weight"},
        {"butd-r101-c4", "roi_heads.res5.1.conv2.weight", "res5b_branch2b.weight"},
        {"butd-r101-c4", "roi_heads.box_predictor.attr_linear2.bias", "attr_score.bias"},
        {"butd-r101-c4", "res4b22_branch2c.weight", "res4b22_branch2c.weight"},
        {"frcnn-x152-c4", "rpn.head.conv.weight", "rpn.head.conv.weight"},
        {"frcnn-r101-c4", "backbone.res4.22.conv3.weight", "backbone.res4.22.conv3.weight"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char got[IMPORT_NAME_ROOM];
        import_rename(names[i].arch, names[i].old, got);
        cr_assert_str_eq(got, names[i].new);
    }
}
