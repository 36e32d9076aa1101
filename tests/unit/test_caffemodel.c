/* The .caffemodel reader, on files written by hand. */
#include <criterion/criterion.h>

#include "weights_fixture.h"

static const unsigned conv_shape[4] = {2, 3, 1, 1};
static const float conv_weight[6] = {1, 2, 3, 4, 5, 6};

static void put_conv1(struct buf *net)
{
    caffe_layer(net, "conv1", 1, (const float *[]){conv_weight}, 4, conv_shape);
}

static double value(const struct weights *w, const char *name, uint64_t i)
{
    const struct weights_array *a = weights_find(w, name);
    double v;
    cr_assert(a, "%s is missing", name);
    weights_values(a, i, 1, &v);
    return v;
}

Test(caffemodel, gives_blobs_the_names_that_torch_would)
{
    struct buf net;
    struct weights *w = NULL;
    const float *const norm[] = {(float[]){1, 2}, (float[]){3, 4}, (float[]){2}};
    buf_init(&net, 1 << 20);
    caffe_bytes(&net, 1, "net", 3);
    put_conv1(&net);
    caffe_layer(&net, "relu", 0, NULL, 0, NULL);
    caffe_layer(&net, "bn_conv1", 3, norm, 1, (unsigned[]){2});
    caffe_layer(&net, "scale_conv1", 2, norm, 1, (unsigned[]){2});
    cr_assert_eq(open_bytes(&net, &w), 0, "%s", err_text());
    cr_assert_eq(weights_count(w), 6);
    const struct weights_array *conv = weights_find(w, "conv1.weight");
    cr_assert(conv && conv->dims == 4 && conv->shape[1] == 3);
    cr_assert_eq(value(w, "conv1.weight", 5), 6.0);
    cr_assert_eq(value(w, "bn_conv1.running_mean", 1), 2.0);
    cr_assert_eq(value(w, "bn_conv1.running_var", 0), 3.0);
    cr_assert_eq(value(w, "bn_conv1.factor", 0), 2.0);
    cr_assert_eq(value(w, "scale_conv1.bias", 1), 4.0);
    weights_close(w);
    buf_release(&net);
}

/* V1LayerParameter, whose shapes are always four numbers; type 14 is an InnerProduct. */
Test(caffemodel, takes_the_padding_off_the_shapes_of_old)
{
    struct buf net;
    struct buf layer;
    struct weights *w = NULL;
    buf_init(&net, 1 << 20);
    buf_init(&layer, 1 << 20);
    caffe_bytes(&layer, 4, "ip", 2);
    cr_assert_eq(buf_append(&layer, "\x28\x0e", 2), 0); /* type */
    caffe_blob(&layer, 6, true, 2, (unsigned[]){1, 3}, conv_weight);
    caffe_blob(&layer, 6, true, 1, (unsigned[]){1}, conv_weight);
    caffe_bytes(&net, 2, layer.p, layer.n);
    cr_assert_eq(open_bytes(&net, &w), 0, "%s", err_text());
    const struct weights_array *weight = weights_find(w, "ip.weight");
    cr_assert(weight && weight->dims == 2 && weight->shape[0] == 1 && weight->shape[1] == 3);
    cr_assert_eq(weights_find(w, "ip.bias")->dims, 1);
    weights_close(w);
    buf_release(&layer);
    buf_release(&net);
}

Test(caffemodel, refuses_every_cut_and_survives_every_flipped_byte)
{
    struct buf net;
    buf_init(&net, 1 << 20);
    put_conv1(&net);
    survive_damage(&net);
    net.n -= 3;
    refuses_bytes(&net, E_FORMAT, "byte 0 begins no layer");
    buf_release(&net);
}
