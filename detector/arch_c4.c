/*
 * The C4 family: BUTD's Caffe graph (bottom-up-attention models/vg/ResNet-101/
 * faster_rcnn_end2end_final/test.prototxt) with any widths, depths, anchors and vocabularies.
 *
 *     conv1 pool1 res2 res3 res4 -+- rpn -- proposals
 *                                 `- RoI pooling -- res5 -- mean = feature -+- class, boxes
 *                                                                           `- attribute
 *
 * The body runs once an image, res5 once a RoI: it is nine tenths of the work and runs in tiles of
 * RoIs, so that activations stay small and each matrix product is large.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detector/arch.h"
#include "detector/nms.h"
#include "detector/pool.h"
#include "detector/proposals.h"
#include "detector/resnet.h"
#include "detector/roi_pool.h"
#include "detector/select.h"
#include "detector/softmax.h"

enum {
    STAGES = 4,        /* res2 to res5 */
    TILE_PIXELS = 3200 /* RoI pixels in a tile */
};

struct c4 {
    struct preprocess preprocess;
    struct resnet_stem stem;
    struct resnet_stage stage[STAGES];
    struct conv rpn;
    struct conv rpn_score;
    struct conv rpn_delta;
    struct proposal_rule proposals;
    int roi_side;
    int tile; /* RoIs */
    struct conv class_score;
    const float *box_weight; /* [4 * classes][dim] */
    const float *box_bias;
    bool has_attributes;
    const float *embedding; /* [classes][embedding_dim] */
    int embedding_dim;
    struct conv attr_hidden;
    struct conv attr_score;
    struct select_rule select;
};

/* The constants of the bottom-up-attention network: bottom-up-attention models/vg/ResNet-101,
 * lib/fast_rcnn/ config.py and experiments/cfgs/faster_rcnn_end2end_resnet.yml. */
const char butd_config[] =
    "{\"blocks\": [3, 4, 23, 3], \"block_names\": \"butd\", \"stride_in_1x1\": true, "
    "\"caffe_pool\": true, \"roi_pool\": 14, \"res5_dilation\": 2, \"feat_stride\": 16, "
    "\"anchor_base\": 16, \"anchor_ratios\": [0.5, 1, 2], \"anchor_scales\": [4, 8, 16, 32], "
    "\"rpn_pre_nms\": 6000, \"rpn_post_nms\": 300, \"rpn_nms\": 0.7, \"rpn_min_size\": 16, "
    "\"class_nms\": 0.3, \"conf_threshold\": 0.2, \"min_boxes\": 10, \"max_boxes\": 100}";
const char butd_preprocess[] =
    "{\"channels\": \"BGR\", \"mean\": [102.9801, 115.9465, 122.7717], \"std\": [1, 1, 1], "
    "\"short\": 600, \"long\": 1000, \"resize\": \"caffe\"}";

/* ---- building ---- */

/* Returns the width of res4. */
static int build_body(struct model *m, struct c4 *g)
{
    const json_t *c = m->config;
    double blocks[STAGES];
    if (model_numbers(m, c, "blocks", 1, RESNET_BLOCKS, blocks, STAGES) != STAGES) {
        model_fail(m, "\"blocks\" must list the blocks of res2, res3, res4 and res5");
        return 0;
    }
    const bool butd = strcmp(model_string(m, c, "block_names", "letters"), "butd") == 0;
    resnet_stem_build(m, "conv1", model_bool(m, c, "caffe_pool"), &g->stem);
    struct resnet_stage_plan plan = {.prefix = "",
                                     .names = butd ? RESNET_BUTD : RESNET_LETTERS,
                                     .in = g->stem.conv1.out,
                                     .stride_in_1x1 = model_bool(m, c, "stride_in_1x1")};
    int width = 0;
    for (int s = 0; s < STAGES; s++) {
        const bool roi = s == STAGES - 1;
        width = plan.in; /* of what res5 sees, at last */
        plan.number = s + 2;
        plan.blocks = (int)blocks[s];
        plan.stride = s == 0 || roi ? 1 : 2;
        plan.dilation = roi ? model_int(m, c, "res5_dilation", 1, 8) : 1;
        plan.in = resnet_stage_build(m, &plan, &g->stage[s]);
    }
    return width;
}

static void build_rpn(struct model *m, int width, struct c4 *g)
{
    struct proposal_rule *rule = &g->proposals;
    double ratios[8];
    double scales[8];
    const json_t *c = m->config;
    const int ratio_count = model_numbers(m, c, "anchor_ratios", 0.01, 100, ratios, 8);
    const int scale_count = model_numbers(m, c, "anchor_scales", 0.01, 1000, scales, 8);
    const double base = model_number(m, c, "anchor_base", 1, 1024);
    rule->anchors = ratio_count * scale_count;
    anchors_generate(base, ratios, ratio_count, scales, scale_count, rule->anchor);
    rule->stride = model_int(m, c, "feat_stride", 16, 16); /* what four halvings give */
    rule->pre_nms = model_int(m, c, "rpn_pre_nms", 1, 100000);
    rule->post_nms = model_int(m, c, "rpn_post_nms", 1, 4000);
    rule->nms = (float)model_number(m, c, "rpn_nms", 0, 1);
    rule->min_size = (float)model_number(m, c, "rpn_min_size", 0, 10000);
    g->rpn =
        (struct conv){.in = width, .kernel = 3, .stride = 1, .pad = 1, .dilation = 1, .relu = true};
    model_conv(m, "rpn_conv/3x3", &g->rpn);
    g->rpn_score = (struct conv){
        .in = g->rpn.out, .out = 2 * rule->anchors, .kernel = 1, .stride = 1, .dilation = 1};
    model_conv(m, "rpn_cls_score", &g->rpn_score);
    g->rpn_delta = (struct conv){
        .in = g->rpn.out, .out = 4 * rule->anchors, .kernel = 1, .stride = 1, .dilation = 1};
    model_conv(m, "rpn_bbox_pred", &g->rpn_delta);
}

static void build_attributes(struct model *m, int dim, int classes, struct c4 *g)
{
    int shape[2] = {classes, 0};
    g->embedding = model_tensor(m, "cls_embedding.weight", 2, shape);
    g->embedding_dim = shape[1];
    g->attr_hidden = (struct conv){.in = dim + g->embedding_dim, .relu = true};
    model_linear(m, "fc_attr", &g->attr_hidden);
    g->attr_score = (struct conv){.in = g->attr_hidden.out, .out = (int)m->attributes.n + 1};
    model_linear(m, "attr_score", &g->attr_score);
}

static void build_heads(struct model *m, int dim, struct c4 *g)
{
    const int classes = (int)m->objects.n + 1;
    g->class_score = (struct conv){.in = dim, .out = classes};
    model_linear(m, "cls_score", &g->class_score);
    int shape[2] = {4 * classes, dim};
    g->box_weight = model_tensor(m, "bbox_pred.weight", 2, shape);
    g->box_bias = model_tensor(m, "bbox_pred.bias", 1, shape);
    g->has_attributes = m->attributes.n > 0;
    if (g->has_attributes) {
        build_attributes(m, dim, classes, g);
    }
}

static void build_selection(struct model *m, const struct detector_options *options, struct c4 *g)
{
    struct select_rule *rule = &g->select;
    rule->class_nms = (float)model_number(m, m->config, "class_nms", 0, 1);
    rule->threshold = model_number(m, m->config, "conf_threshold", 0, 1);
    rule->max_boxes = model_int(m, m->config, "max_boxes", 1, 4000);
    rule->min_boxes = model_int(m, m->config, "min_boxes", 0, rule->max_boxes);
    if (options->max_boxes >= 0) {
        rule->max_boxes = options->max_boxes;
    }
    if (options->min_boxes >= 0) {
        rule->min_boxes = options->min_boxes;
    }
    if (options->conf_threshold >= 0) {
        rule->threshold = (double)options->conf_threshold;
    }
    if (rule->max_boxes > g->proposals.post_nms) {
        rule->max_boxes = g->proposals.post_nms;
    }
}

static void *c4_build(struct model *m, const struct detector_options *options,
                      struct arch_shape *shape)
{
    struct c4 *g = calloc(1, sizeof *g);
    if (!g) {
        model_fail(m, "no memory for the graph");
        return NULL;
    }
    preprocess_read(m, &g->preprocess);
    const int width = build_body(m, g);
    build_rpn(m, width, g);
    const struct resnet_stage *res5 = &g->stage[3];
    const int dim = m->rc ? 0 : res5->block[res5->n - 1].expand.out;
    build_heads(m, dim, g);
    build_selection(m, options, g);
    g->roi_side = model_int(m, m->config, "roi_pool", 1, 32);
    g->tile = TILE_PIXELS / (g->roi_side * g->roi_side);
    g->tile = g->tile < 1 ? 1 : g->tile;
    *shape = (struct arch_shape){.preprocess = g->preprocess,
                                 .dim = (uint32_t)dim,
                                 .classes = m->objects.n + 1,
                                 .max_regions = (uint32_t)g->select.max_boxes};
    return g;
}

/* ---- running ---- */

/* The features of res4, 1/16 of the input's size. */
static struct tensor run_body(const struct c4 *g, struct pass *pass, const struct geometry *geo,
                              const uint8_t *rgb)
{
    const struct tensor input = preprocess_run(&g->preprocess, pass, geo, rgb);
    struct tensor x = resnet_stem_run(&g->stem, pass, input);
    for (int s = 0; s < STAGES - 1; s++) {
        x = resnet_stage_run(&g->stage[s], pass, x);
    }
    return x;
}

static size_t run_rpn(const struct c4 *g, struct pass *pass, const struct tensor *features,
                      const struct geometry *geo, struct box *roi)
{
    const struct tensor hidden = conv_run(&g->rpn, pass, features);
    const struct tensor score = conv_run(&g->rpn_score, pass, &hidden);
    const struct tensor delta = conv_run(&g->rpn_delta, pass, &hidden);
    pass_give(pass, hidden.p);
    const size_t n = proposals_run(&g->proposals, pass, &score, &delta, geo->net_width,
                                   geo->net_height, geo->scale, roi);
    pass_give(pass, score.p);
    pass_give(pass, delta.p);
    return n;
}

/* pooled[n][dim]: each RoI's feature. */
static void run_rois(const struct c4 *g, struct pass *pass, const struct tensor *features,
                     const struct box *roi, size_t n, float *pooled)
{
    const size_t dim = (size_t)g->class_score.in;
    pass->room = g->tile;
    for (size_t from = 0; from < n; from += (size_t)g->tile) {
        const size_t count = n - from < (size_t)g->tile ? n - from : (size_t)g->tile;
        struct tensor x = pass_tensor(pass, (int)count, g->roi_side, g->roi_side, features->c);
        if (pass_step(pass, "RoI pooling", 0)) {
            roi_pool(features, roi + from, count, 1.0f / (float)g->proposals.stride, &x);
        }
        x = resnet_stage_run(&g->stage[3], pass, x);
        average_pool(pass, "pool5", &x, pooled + from * dim);
        pass_give(pass, x.p);
    }
    pass->room = 0;
}

/* A view of n vectors as the input of a fully connected layer. */
static struct tensor vectors(float *p, size_t n, int c)
{
    return (struct tensor){.p = p, .n = (int)n, .h = 1, .w = 1, .c = c};
}

/* Classes of all RoIs: prob[n][classes]. */
static float *run_classes(const struct c4 *g, struct pass *pass, float *pooled, size_t n)
{
    const struct tensor x = vectors(pooled, n, g->class_score.in);
    const struct tensor prob = conv_run(&g->class_score, pass, &x);
    if (pass_step(pass, "softmax", 0)) {
        softmax_rows(prob.p, n, (size_t)prob.c);
    }
    return prob.p;
}

/* What is known of the exported regions while `struct detections` is filled. */
struct exported {
    size_t n;
    size_t room;
    uint32_t *index;     /* [n] which RoI */
    uint32_t *any_class; /* [n] best class, background included */
    float *features;     /* [n][dim] */
    float *prob;         /* [n][classes] */
};

/* Attributes of the exported regions, given each one's best class (which may be background, as in
 * BUTD's graph: argmax of cls_score). */
static void run_attributes(const struct c4 *g, struct pass *pass, const struct exported *e,
                           struct detections *out)
{
    const size_t dim = (size_t)g->class_score.in;
    const size_t embedding_dim = (size_t)g->embedding_dim;
    uint16_t *id = workspace_take(pass->ws, e->room, sizeof *id);
    float *conf = pass_floats(pass, e->room);
    float *joined = pass_floats(pass, e->room * (dim + embedding_dim));
    if (pass_step(pass, "cls_embedding", 0)) {
        for (size_t i = 0; i < e->n; i++) {
            float *row = joined + i * (dim + embedding_dim);
            memcpy(row, e->features + i * dim, dim * sizeof *row);
            memcpy(row + dim, g->embedding + e->any_class[i] * embedding_dim,
                   embedding_dim * sizeof *row);
        }
    }
    const struct tensor x = vectors(joined, e->n, g->attr_hidden.in);
    const struct tensor hidden = conv_run(&g->attr_hidden, pass, &x);
    const struct tensor score = conv_run(&g->attr_score, pass, &hidden);
    if (pass_step(pass, "attr_prob", 0)) {
        softmax_rows(score.p, e->n, (size_t)score.c);
        for (size_t i = 0; i < e->n; i++) {
            const float *prob = score.p + i * (size_t)score.c + 1; /* past "no attribute" */
            id[i] = (uint16_t)argmax(prob, (size_t)score.c - 1);
            conf[i] = prob[id[i]];
        }
    }
    out->attr_id = id;
    out->attr_conf = conf;
}

static float dot(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* The region moved by the deltas of class `c`: four rows of bbox_pred suffice. */
static struct box refine(const struct c4 *g, const struct geometry *geo, struct box b,
                         const float *feature, size_t c)
{
    const size_t dim = (size_t)g->class_score.in;
    float delta[4];
    for (size_t k = 0; k < 4; k++) {
        const size_t row = 4 * c + k;
        delta[k] = dot(feature, g->box_weight + row * dim, dim) + g->box_bias[row];
    }
    return box_clip(box_decode(b, delta, 1), (float)geo->width, (float)geo->height, 1);
}

/* Copies the chosen regions together and reads off their classes and boxes. */
static void export_regions(const struct c4 *g, struct pass *pass, const struct geometry *geo,
                           const struct box *box, const float *conf, const float *pooled,
                           const float *all_prob, const struct exported *e, struct detections *out)
{
    const size_t dim = (size_t)g->class_score.in;
    const size_t classes = (size_t)g->class_score.out;
    struct box *boxes = workspace_take(pass->ws, e->room, sizeof *boxes);
    struct box *refined = workspace_take(pass->ws, e->room, sizeof *refined);
    float *best = pass_floats(pass, e->room);
    uint16_t *id = workspace_take(pass->ws, e->room, sizeof *id);
    float *id_conf = pass_floats(pass, e->room);
    if (pass_step(pass, "export", 4 * dim * e->room)) {
        for (size_t i = 0; i < e->n; i++) {
            const size_t r = e->index[i];
            float *prob = e->prob + i * classes;
            float *feature = e->features + i * dim;
            memcpy(prob, all_prob + r * classes, classes * sizeof *prob);
            memcpy(feature, pooled + r * dim, dim * sizeof *feature);
            boxes[i] = box[r];
            best[i] = conf[r];
            e->any_class[i] = (uint32_t)argmax(prob, classes);
            id[i] = (uint16_t)argmax(prob + 1, classes - 1);
            id_conf[i] = prob[1 + id[i]];
            refined[i] = refine(g, geo, box[r], feature, 1u + id[i]);
        }
    }
    *out = (struct detections){.n = (uint32_t)e->n,
                               .dim = (uint32_t)dim,
                               .classes = (uint32_t)classes,
                               .boxes = &boxes->x1,
                               .conf = best,
                               .object_id = id,
                               .object_conf = id_conf,
                               .features = e->features,
                               .soft_labels = e->prob,
                               .refined_boxes = &refined->x1};
}

/* RoIs in the original image's pixels. */
static void unscale(const struct box *roi, size_t n, double scale, struct box *out)
{
    const float by = (float)scale; /* im_info is a float blob */
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct box){roi[i].x1 / by, roi[i].y1 / by, roi[i].x2 / by, roi[i].y2 / by};
    }
}

static void c4_run(const void *graph, struct pass *pass, const struct geometry *geo,
                   const uint8_t *rgb, struct detections *out)
{
    const struct c4 *g = graph;
    const size_t most = (size_t)g->proposals.post_nms;
    const size_t dim = (size_t)g->class_score.in;
    struct exported e = {.room = (size_t)g->select.max_boxes};
    struct box *roi = workspace_take(pass->ws, most, sizeof *roi);
    float *pooled = pass_floats(pass, most * dim);
    const struct tensor features = run_body(g, pass, geo, rgb);
    const size_t n = run_rpn(g, pass, &features, geo, roi);
    run_rois(g, pass, &features, roi, n, pooled);
    pass_give(pass, features.p);

    pass->room = (int)most;
    float *prob = run_classes(g, pass, pooled, n);
    struct box *box = workspace_take(pass->ws, most, sizeof *box);
    float *conf = pass_floats(pass, most);
    e.index = workspace_take(pass->ws, e.room, sizeof *e.index);
    e.any_class = workspace_take(pass->ws, e.room, sizeof *e.any_class);
    e.features = pass_floats(pass, e.room * dim);
    e.prob = pass_floats(pass, e.room * (size_t)g->class_score.out);
    if (!pass->dry) {
        unscale(roi, n, geo->scale, box);
    }
    e.n = select_regions(&g->select, pass, box, prob, n, most, (size_t)g->class_score.out, e.index,
                         conf);
    export_regions(g, pass, geo, box, conf, pooled, prob, &e, out);
    pass->room = (int)e.room;
    if (g->has_attributes) {
        run_attributes(g, pass, &e, out);
    }
    pass->room = 0;
}

const struct arch arch_c4 = {.build = c4_build, .free = free, .run = c4_run};
