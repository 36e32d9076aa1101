#include "detector_fixture.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/philox.h"
#include "detector/gemm.h"

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

/* ---- writing a model ---- */

struct writer {
    const struct c4_plan *plan;
    struct dice dice;
    const char *spoil;
    json_t *header;
    struct buf data;
};

static int spoils(const struct writer *w, char how, const char *name)
{
    return w->spoil && w->spoil[0] == how && strcmp(w->spoil + 1, name) == 0;
}

/* A tensor of normal numbers of deviation `dev`. */
static void add_tensor(struct writer *w, const char *name, const int *shape, int dims, float dev)
{
    if (spoils(w, '-', name)) {
        return;
    }
    json_t *sizes = json_array();
    size_t count = 1;
    for (int d = 0; d < dims; d++) {
        const int n = shape[d] + (d == 0 && spoils(w, '#', name));
        json_array_append_new(sizes, json_integer(n));
        count *= (size_t)n;
    }
    const size_t from = w->data.n;
    for (size_t i = 0; i < count; i++) {
        const float v = i == 0 && spoils(w, '?', name) ? NAN : dev * dice_normal(&w->dice);
        BUG_ON(buf_append(&w->data, &v, sizeof v));
    }
    json_object_set_new(w->header, name,
                        json_pack("{s:s, s:o, s:[i,i]}", "dtype", "F32", "shape", sizes,
                                  "data_offsets", (int)from, (int)w->data.n));
}

static void add_layer(struct writer *w, const char *name, int out, int in, int kernel, int dims,
                      float gain)
{
    char key[96];
    const int shape[4] = {out, in, kernel, kernel};
    snprintf(key, sizeof key, "%s.weight", name);
    add_tensor(w, key, shape, dims, gain / sqrtf((float)(in * kernel * kernel)));
    snprintf(key, sizeof key, "%s.bias", name);
    add_tensor(w, key, shape, 1, 0.1f);
}

static int add_stage(struct writer *w, int number, int in)
{
    const int narrow = w->plan->width[number - 2];
    for (int i = 0; i < w->plan->blocks[number - 2]; i++) {
        char block[32];
        char key[64];
        const int numbered =
            strcmp(w->plan->block_names, "butd") == 0 && i > 0 && (number == 3 || number == 4);
        snprintf(block, sizeof block, numbered ? "res%db%d" : "res%d%c", number,
                 numbered ? i : 'a' + i);
        if (i == 0) {
            snprintf(key, sizeof key, "%s_branch1", block);
            add_layer(w, key, 4 * narrow, in, 1, 4, 1.0f);
        }
        snprintf(key, sizeof key, "%s_branch2a", block);
        add_layer(w, key, narrow, in, 1, 4, 1.4f);
        snprintf(key, sizeof key, "%s_branch2b", block);
        add_layer(w, key, narrow, narrow, 3, 4, 1.4f);
        snprintf(key, sizeof key, "%s_branch2c", block);
        add_layer(w, key, 4 * narrow, narrow, 1, 4, 0.7f);
        in = 4 * narrow;
    }
    return in;
}

static void add_tensors(struct writer *w)
{
    const struct c4_plan *p = w->plan;
    const int anchors = 3 * p->scales;
    const int classes = p->objects + 1;
    add_layer(w, "conv1", p->stem, 3, 7, 4, 0.03f);
    int wide = add_stage(w, 2, p->stem);
    wide = add_stage(w, 3, wide);
    wide = add_stage(w, 4, wide);
    add_layer(w, "rpn_conv/3x3", p->rpn, wide, 3, 4, 1.4f);
    add_layer(w, "rpn_cls_score", 2 * anchors, p->rpn, 1, 4, 1.0f);
    add_layer(w, "rpn_bbox_pred", 4 * anchors, p->rpn, 1, 4, 0.3f);
    wide = add_stage(w, 5, wide);
    add_layer(w, "cls_score", classes, wide, 1, 2, 4.0f);
    add_layer(w, "bbox_pred", 4 * classes, wide, 1, 2, 0.2f);
    if (p->attributes) {
        const int shape[2] = {classes, 3};
        add_tensor(w, "cls_embedding.weight", shape, 2, 1.0f);
        add_layer(w, "fc_attr", 8, wide + 3, 1, 2, 1.4f);
        add_layer(w, "attr_score", p->attributes + 1, 8, 1, 2, 2.0f);
    }
    if (w->spoil && w->spoil[0] == '+') {
        const int shape[1] = {2};
        add_tensor(w, w->spoil + 1, shape, 1, 1.0f);
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
    return c;
}

static json_t *make_names(const char *kind, int n)
{
    json_t *names = json_array();
    for (int i = 0; i < n; i++) {
        json_array_append_new(names, json_sprintf("%s %d", kind, i));
    }
    return names;
}

/* Metadata values are strings; structured ones are JSON text. Takes `value` over. */
static void add_metadata(const struct writer *w, json_t *meta, const char *key, json_t *value)
{
    char *text = json_is_string(value) ? strdup(json_string_value(value)) : json_dumps(value, 0);
    if (spoils(w, '=', key)) {
        json_object_set_new(meta, key, json_string("{\"nonsense\": 1}"));
    } else if (!spoils(w, '!', key)) {
        json_object_set_new(meta, key, json_string(text));
    }
    free(text);
    json_decref(value);
}

static json_t *make_metadata(const struct writer *w)
{
    json_t *meta = json_object();
    add_metadata(w, meta, "format", json_string("pairmill-model/1"));
    add_metadata(w, meta, "architecture", json_string("demo-c4"));
    add_metadata(w, meta, "config", make_config(w->plan));
    add_metadata(w, meta, "preprocess",
                 json_pack("{s:s, s:[f,f,f], s:[f,f,f], s:i, s:i, s:s}", "channels", "BGR", "mean",
                           102.9801, 115.9465, 122.7717, "std", 1.0, 1.0, 1.0, "short",
                           w->plan->short_side, "long", w->plan->long_side, "resize", "caffe"));
    add_metadata(w, meta, "objects", make_names("object", w->plan->objects));
    add_metadata(w, meta, "attributes", make_names("attribute", w->plan->attributes));
    return meta;
}

void c4_plan_write(const struct c4_plan *plan, const char *spoil, const char *path)
{
    struct writer w = {
        .plan = plan, .dice = {.seed = plan->seed}, .spoil = spoil, .header = json_object()};
    buf_init(&w.data, 1u << 30);
    json_object_set_new(w.header, "__metadata__", make_metadata(&w));
    add_tensors(&w);
    char *header = json_dumps(w.header, JSON_COMPACT);
    unsigned char length[8];
    put_le64(length, strlen(header));
    FILE *out = fopen(path, "wb");
    BUG_ON(!out);
    BUG_ON(fwrite(length, 1, 8, out) != 8);
    BUG_ON(fputs(header, out) < 0);
    BUG_ON(fwrite(w.data.p, 1, w.data.n, out) != w.data.n);
    BUG_ON(fclose(out));
    free(header);
    json_decref(w.header);
    buf_release(&w.data);
}
