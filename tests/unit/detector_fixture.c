#include "detector_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/philox.h"
#include "detector/gemm.h"
#include "model_writer.h"

float dice_unit(struct dice *d)
{
    const uint32_t counter[4] = {d->at++, 0, 0, 0};
    const uint32_t key[2] = {(uint32_t)d->seed, (uint32_t)(d->seed >> 32)};
    return (float)(philox4x32(counter, key).v[0] >> 8) * 0x1p-24f;
}

float dice_between(struct dice *d, float lo, float hi)
{
    return lo + (hi - lo) * dice_unit(d);
}

int dice_int(struct dice *d, int lo, int hi)
{
    return lo + (int)(dice_unit(d) * (float)(hi - lo + 1));
}

float dice_normal(struct dice *d)
{
    const float r = sqrtf(-2.0f * logf(1.0f - dice_unit(d)));
    return r * cosf(6.2831853f * dice_unit(d));
}

float *dice_floats(struct dice *d, size_t n, float lo, float hi)
{
    float *p = malloc((n + 1) * sizeof *p);
    for (size_t i = 0; i < n; i++) {
        p[i] = dice_between(d, lo, hi);
    }
    return p;
}

uint8_t *random_image(uint64_t seed, int width, int height)
{
    struct dice d = {.seed = seed};
    uint8_t *rgb = malloc(3 * (size_t)width * height);
    float wave[3][8][4];
    for (int i = 0; i < 3 * 8; i++) {
        wave[i / 8][i % 8][0] = dice_between(&d, -0.3f, 0.3f);
        wave[i / 8][i % 8][1] = dice_between(&d, -0.3f, 0.3f);
        wave[i / 8][i % 8][2] = dice_between(&d, 0, 6.28f);
        wave[i / 8][i % 8][3] = dice_between(&d, 0, 40);
    }
    for (int i = 0; i < 3 * width * height; i++) {
        float v = 128;
        for (int k = 0; k < 8; k++) {
            const float *f = wave[i % 3][k];
            v += f[3] * sinf(f[0] * (float)(i / 3 % width) + f[1] * (float)(i / 3 / width) + f[2]);
        }
        rgb[i] = (uint8_t)fminf(fmaxf(v, 0), 255);
    }
    return rgb;
}

void bench_init(struct bench *b)
{
    *b = (struct bench){.profile.current = -1};
    BUG_ON(gemm_init());
    BUG_ON(workspace_grow(&b->ws, 256u << 20));
    workspace_reset(&b->ws, 0);
    b->pass = (struct pass){.ws = &b->ws, .profile = &b->profile};
}

void bench_release(struct bench *b)
{
    workspace_release(&b->ws);
}

void bench_prepare(struct conv *c, const float *weight)
{
    conv_prepare(c, weight, aligned_alloc(64, (conv_prepared_floats(c) + 15) / 16 * 64));
}

void scratch_file_init(struct scratch_file *f)
{
    snprintf(f->dir, sizeof f->dir, "/tmp/pairmill-test-XXXXXX");
    BUG_ON(!mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/file", f->dir);
}

void scratch_file_release(struct scratch_file *f)
{
    unlink(f->path);
    rmdir(f->dir);
}

void scratch_file_write(const struct scratch_file *f, const void *bytes, size_t n)
{
    FILE *out = fopen(f->path, "wb");
    BUG_ON(!out);
    BUG_ON(fwrite(bytes, 1, n, out) != n);
    BUG_ON(fclose(out));
}

struct c4_plan c4_plan_default(void)
{
    return (struct c4_plan){.seed = 7,
                            .blocks = {1, 2, 3, 2},
                            .width = {4, 5, 6, 7},
                            .stem = 6,
                            .rpn = 9,
                            .roi = 7,
                            .res5_dilation = 2,
                            .objects = 11,
                            .attributes = 5,
                            .scales = 2,
                            .block_names = "letters",
                            .stride_in_1x1 = 1,
                            .caffe_pool = 1,
                            .short_side = 90,
                            .long_side = 150,
                            .post_nms = 40,
                            .min_boxes = 5,
                            .max_boxes = 12};
}

static int add_stage(struct model_writer *w, const struct c4_plan *p, int number, int in)
{
    const int narrow = p->width[number - 2];
    for (int i = 0; i < p->blocks[number - 2]; i++) {
        char block[32];
        char key[64];
        const int numbered =
            strcmp(p->block_names, "butd") == 0 && i > 0 && (number == 3 || number == 4);
        snprintf(block, sizeof block, numbered ? "res%db%d" : "res%d%c", number,
                 numbered ? i : 'a' + i);
        if (i == 0) {
            snprintf(key, sizeof key, "%s_branch1", block);
            model_writer_layer(w, key, 4 * narrow, in, 1, 4, 1.0f);
        }
        snprintf(key, sizeof key, "%s_branch2a", block);
        model_writer_layer(w, key, narrow, in, 1, 4, 1.4f);
        snprintf(key, sizeof key, "%s_branch2b", block);
        model_writer_layer(w, key, narrow, p->groups ? narrow / p->groups : narrow, 3, 4, 1.4f);
        snprintf(key, sizeof key, "%s_branch2c", block);
        model_writer_layer(w, key, 4 * narrow, narrow, 1, 4, 0.7f);
        in = 4 * narrow;
    }
    return in;
}

static void add_tensors(struct model_writer *w, const struct c4_plan *p)
{
    const int anchors = 3 * p->scales;
    const int classes = p->objects + 1;
    model_writer_layer(w, "conv1", p->stem, 3, 7, 4, 0.03f);
    int wide = add_stage(w, p, 2, p->stem);
    wide = add_stage(w, p, 3, wide);
    wide = add_stage(w, p, 4, wide);
    model_writer_layer(w, "rpn_conv/3x3", p->rpn, wide, 3, 4, 1.4f);
    model_writer_layer(w, "rpn_cls_score", 2 * anchors, p->rpn, 1, 4, 1.0f);
    model_writer_layer(w, "rpn_bbox_pred", 4 * anchors, p->rpn, 1, 4, 0.3f);
    wide = add_stage(w, p, 5, wide);
    model_writer_layer(w, "cls_score", classes, wide, 1, 2, 4.0f);
    model_writer_layer(w, "bbox_pred", 4 * classes, wide, 1, 2, 0.2f);
    if (p->attributes) {
        const int shape[2] = {classes, 3};
        model_writer_tensor(w, "cls_embedding.weight", shape, 2, 1.0f);
        model_writer_layer(w, "fc_attr", 8, wide + 3, 1, 2, 1.4f);
        model_writer_layer(w, "attr_score", p->attributes + 1, 8, 1, 2, 2.0f);
    }
    if (w->spoil && w->spoil[0] == '+') {
        const int shape[1] = {2};
        model_writer_tensor(w, w->spoil + 1, shape, 1, 1.0f);
    }
}

static json_t *make_config(const struct c4_plan *p)
{
    json_t *blocks = json_pack("[i,i,i,i]", p->blocks[0], p->blocks[1], p->blocks[2], p->blocks[3]);
    json_t *c = json_pack("{s:o, s:s, s:b, s:b, s:i, s:i, s:i, s:i}", "blocks", blocks,
                          "block_names", p->block_names, "stride_in_1x1", p->stride_in_1x1,
                          "caffe_pool", p->caffe_pool, "roi_pool", p->roi, "res5_dilation",
                          p->res5_dilation, "feat_stride", 16, "anchor_base", 16);
    json_object_set_new(c, "anchor_ratios", json_pack("[f,f,f]", 0.5, 1.0, 2.0));
    json_t *scales = json_array();
    for (int i = 0; i < p->scales; i++) {
        json_array_append_new(scales, json_integer(2 << i));
    }
    json_object_set_new(c, "anchor_scales", scales);
    json_object_set_new(c, "rpn_pre_nms", json_integer(200));
    json_object_set_new(c, "rpn_post_nms", json_integer(p->post_nms));
    json_object_set_new(c, "rpn_nms", json_real(0.7));
    json_object_set_new(c, "rpn_min_size", json_integer(8));
    json_object_set_new(c, "class_nms", json_real(0.3));
    json_object_set_new(c, "conf_threshold", json_real(0.2));
    json_object_set_new(c, "min_boxes", json_integer(p->min_boxes));
    json_object_set_new(c, "max_boxes", json_integer(p->max_boxes));
    if (p->groups) {
        json_object_set_new(c, "groups", json_integer(p->groups));
    }
    return c;
}

static void add_metadata(struct model_writer *w, const struct c4_plan *p)
{
    model_writer_metadata(w, "format", json_string("pairmill-model/1"));
    model_writer_metadata(w, "architecture", json_string("demo-c4"));
    model_writer_metadata(w, "config", make_config(p));
    model_writer_metadata(w, "preprocess",
                          json_pack("{s:s, s:[f,f,f], s:[f,f,f], s:i, s:i, s:s}", "channels", "BGR",
                                    "mean", 102.9801, 115.9465, 122.7717, "std", 1.0, 1.0, 1.0,
                                    "short", p->short_side, "long", p->long_side, "resize",
                                    "caffe"));
    model_writer_metadata(w, "objects", model_writer_names("object", p->objects));
    model_writer_metadata(w, "attributes", model_writer_names("attribute", p->attributes));
}

void c4_plan_write(const struct c4_plan *plan, const char *spoil, const char *path)
{
    struct model_writer w;
    model_writer_init(&w, plan->seed, spoil);
    add_metadata(&w, plan);
    add_tensors(&w, plan);
    model_writer_save(&w, path);
}
