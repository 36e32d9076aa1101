/* The .caffemodel reader and the folding of normalisation, on files written by hand. */
#include <criterion/criterion.h>
#include <math.h>

#include "common/buf.h"
#include "detector/caffemodel.h"
#include "detector/import_caffe.h"
#include "detector/safetensors.h"
#include "detector_fixture.h"

static void put_varint(struct buf *b, uint64_t v)
{
    do {
        const unsigned char byte = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        cr_assert_eq(buf_append(b, &byte, 1), 0);
        v >>= 7;
    } while (v);
}

static void put_bytes(struct buf *b, int field, const void *p, size_t n)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, n);
    cr_assert_eq(buf_append(b, p, n), 0);
}

/* A blob in the current form, or with the four numbers of old. */
static void put_blob(struct buf *layer, int field, bool old, int dims, const unsigned *shape,
                     const float *data)
{
    struct buf blob;
    struct buf sizes;
    size_t count = 1;
    buf_init(&blob, 1 << 20);
    buf_init(&sizes, 1000);
    for (int d = 0; d < dims; d++) {
        count *= shape[d];
        if (old) {
            put_varint(&blob, (uint64_t)(d + 1 + 4 - dims) << 3);
            put_varint(&blob, shape[d]);
        } else {
            put_varint(&sizes, shape[d]);
        }
    }
    for (int d = 0; old && d < 4 - dims; d++) {
        put_varint(&blob, (uint64_t)(d + 1) << 3);
        put_varint(&blob, 1);
    }
    struct buf packed;
    buf_init(&packed, 1000);
    if (!old) {
        put_bytes(&packed, 1, sizes.p, sizes.n);
        put_bytes(&blob, 7, packed.p, packed.n);
    }
    put_bytes(&blob, 5, data, count * sizeof *data);
    put_bytes(layer, field, blob.p, blob.n);
    buf_release(&blob);
    buf_release(&sizes);
    buf_release(&packed);
}

/* One layer with up to three vectors or one tensor. */
static void put_layer(struct buf *net, const char *name, int blobs, const float *const *data,
                      int dims, const unsigned *shape)
{
    struct buf layer;
    buf_init(&layer, 1 << 20);
    put_bytes(&layer, 1, name, strlen(name));
    for (int i = 0; i < blobs; i++) {
        const unsigned one = 1;
        put_blob(&layer, 7, false, i == 2 ? 1 : dims, i == 2 ? &one : shape, data[i]);
    }
    put_bytes(net, 100, layer.p, layer.n);
    buf_release(&layer);
}

static int open_net(const struct buf *net, struct caffemodel **out)
{
    struct scratch_file f;
    scratch_file_init(&f);
    scratch_file_write(&f, net->p, net->n);
    const int rc = caffemodel_open(f.path, out);
    scratch_file_release(&f);
    return rc;
}

static const unsigned conv_shape[4] = {2, 3, 1, 1};
static const float conv_weight[6] = {1, 2, 3, 4, 5, 6};
static const unsigned two[1] = {2};

static void put_conv1(struct buf *net)
{
    put_layer(net, "conv1", 1, (const float *[]){conv_weight}, 4, conv_shape);
}

Test(caffemodel, gives_layers_with_their_blobs)
{
    struct buf net;
    struct caffemodel *model = NULL;
    buf_init(&net, 1 << 20);
    put_bytes(&net, 1, "net", 3);
    put_conv1(&net);
    put_layer(&net, "relu", 0, NULL, 0, NULL);
    cr_assert_eq(open_net(&net, &model), 0, "%s", err_text());
    cr_assert_eq(caffemodel_layers(model), 1);
    const struct caffe_layer *layer = caffemodel_find(model, "conv1");
    cr_assert(layer && layer->blobs == 1 && layer->blob[0].dims == 4);
    cr_assert_eq(layer->blob[0].shape[1], 3);
    cr_assert_eq(caffe_blob_at(&layer->blob[0], 5), 6.0f);
    cr_assert_null(caffemodel_find(model, "relu"));
    caffemodel_close(model);
    buf_release(&net);
}

Test(caffemodel, reads_the_form_of_old)
{
    struct buf net;
    struct buf layer;
    struct caffemodel *model = NULL;
    const unsigned shape[2] = {2, 3};
    buf_init(&net, 1 << 20);
    buf_init(&layer, 1 << 20);
    put_bytes(&layer, 4, "ip", 2);
    put_blob(&layer, 6, true, 2, shape, conv_weight);
    put_bytes(&net, 2, layer.p, layer.n);
    cr_assert_eq(open_net(&net, &model), 0, "%s", err_text());
    const struct caffe_blob *b = &caffemodel_find(model, "ip")->blob[0];
    cr_assert(b->dims == 4 && b->shape[0] == 1 && b->shape[2] == 2 && b->shape[3] == 3);
    caffemodel_close(model);
    buf_release(&layer);
    buf_release(&net);
}

Test(caffemodel, refuses_every_cut_and_survives_every_flipped_byte)
{
    struct buf net;
    buf_init(&net, 1 << 20);
    put_conv1(&net);
    const size_t whole = net.n;
    for (net.n = 0; net.n < whole; net.n++) {
        struct caffemodel *model = NULL;
        cr_assert_eq(open_net(&net, &model), E_FORMAT, "cut at %zu", net.n);
    }
    for (size_t i = 0; i < whole; i++) {
        struct caffemodel *model = NULL;
        net.p[i] ^= 0xff;
        if (open_net(&net, &model) == 0) {
            caffemodel_close(model);
        }
        net.p[i] ^= 0xff;
    }
    buf_release(&net);
}

/* One layer's normalisation: sums of mean and variance, their factor, gamma, beta. */
static const float mean[2] = {2, -4};
static const float variance[2] = {8, 2};
static const float factor[1] = {2};
static const float gamma_of[2] = {3, 0.5f};
static const float beta[2] = {-1, 7};

static int import(const struct buf *net, struct safetensors_writer *out)
{
    struct caffemodel *model = NULL;
    cr_assert_eq(open_net(net, &model), 0, "%s", err_text());
    cr_assert_eq(safetensors_writer_init(out), 0);
    const int rc = import_caffe(model, out);
    caffemodel_close(model);
    return rc;
}

Test(import_caffe, folds_normalisation_into_the_convolution_before_it)
{
    struct buf net;
    struct scratch_file f;
    struct safetensors_writer w;
    struct safetensors *st = NULL;
    buf_init(&net, 1 << 20);
    put_conv1(&net);
    put_layer(&net, "bn_conv1", 3, (const float *[]){mean, variance, factor}, 1, two);
    put_layer(&net, "scale_conv1", 2, (const float *[]){gamma_of, beta}, 1, two);
    cr_assert_eq(import(&net, &w), 0, "%s", err_text());
    scratch_file_init(&f);
    cr_assert_eq(safetensors_writer_save(&w, f.path), 0);
    cr_assert_eq(safetensors_open(f.path, &st), 0, "%s", err_text());
    cr_assert_eq(safetensors_count(st), 2);
    const float *weight = safetensors_find(st, "conv1.weight", NULL)->data;
    const float *bias = safetensors_find(st, "conv1.bias", NULL)->data;
    for (int o = 0; o < 2; o++) {
        const double scale = (double)gamma_of[o] / sqrt((double)variance[o] / 2 + 1e-5);
        cr_assert_float_eq((double)bias[o], (double)beta[o] - (double)mean[o] / 2 * scale, 1e-6);
        for (int i = 0; i < 3; i++) {
            cr_assert_float_eq((double)weight[3 * o + i], (double)conv_weight[3 * o + i] * scale,
                               1e-6);
        }
    }
    safetensors_close(st);
    scratch_file_release(&f);
    safetensors_writer_release(&w);
    buf_release(&net);
}

Test(import_caffe, names_a_layer_without_bias_or_normalisation)
{
    struct buf net;
    struct safetensors_writer w;
    buf_init(&net, 1 << 20);
    put_conv1(&net);
    cr_assert_eq(import(&net, &w), E_MODEL);
    cr_assert(strstr(err_text(), "\"conv1\" has neither"), "%s", err_text());
    safetensors_writer_release(&w);
    put_layer(&net, "bn_conv1", 3, (const float *[]){mean, variance, factor}, 1, (unsigned[]){1});
    put_layer(&net, "scale_conv1", 2, (const float *[]){gamma_of, beta}, 1, two);
    cr_assert_eq(import(&net, &w), E_MODEL);
    cr_assert(strstr(err_text(), "is not for its 2 channels"), "%s", err_text());
    safetensors_writer_release(&w);
    buf_release(&net);
}
