/*
 * The C4 family (He et al. 2016; Ren et al. 2015): BUTD's Caffe graph, detectron2's and VinVL's,
 * with any widths, depths, anchors and vocabularies.
 *
 *     conv1 pool1 res2 res3 res4 -+- rpn -- proposals
 *                                 `- RoI pooling -- res5 -- mean = feature -+- class, boxes
 *                                                                           `- attribute
 *
 * The body runs once an image, res5 once a RoI: it is nine tenths of the work and runs in tiles of
 * RoIs, so that activations stay small and each matrix product is large.
 */
#include <stdlib.h>
#include <string.h>

#include "detector/arch.h"
#include "detector/attribute_head.h"
#include "detector/c4_kind.h"
#include "detector/class_boxes.h"
#include "detector/export.h"
#include "detector/roi_align.h"
#include "detector/roi_pool.h"
#include "detector/rpn.h"
#include "detector/select.h"
#include "detector/softmax.h"

enum {
    STAGES = 4,        /* res2 to res5 */
    TILE_PIXELS = 1600 /* RoI pixels in a tile: 8 RoIs of 14 x 14 */
};

struct c4 {
    const struct c4_kind *kind;
    struct preprocess preprocess;
    struct resnet_stem stem;
    struct resnet_stage stage[STAGES];
    struct rpn rpn;
    struct box anchor[ANCHORS_MAX];
    struct anchor_grid grid;
    struct proposal_rule proposals;
    struct roi_align align;
    int roi_side;
    int tile; /* RoIs */
    struct conv class_score;
    struct conv box_delta;   /* where each class' boxes are wanted */
    const float *box_weight; /* [4 * classes][dim], where one class' are */
    const float *box_bias;
    struct box_coder box_coder;
    bool has_attributes;
    struct attribute_head attributes;
    struct select_rule select;
    struct class_box_rule class_boxes;
    int max_boxes;
};

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
    resnet_stem_build(m, g->kind->conv1, model_bool(m, c, "caffe_pool"), &g->stem);
    struct resnet_stage_plan plan = {.names = butd ? RESNET_BUTD : g->kind->blocks,
                                     .in = g->stem.conv1.out,
                                     .groups = model_int_or(m, c, "groups", 1, 1024, 1),
                                     .stride_in_1x1 = model_bool(m, c, "stride_in_1x1")};
    int width = 0;
    for (int s = 0; s < STAGES; s++) {
        const bool roi = s == STAGES - 1;
        width = plan.in; /* of what res5 sees, at last */
        plan.prefix = roi ? g->kind->res5 : g->kind->body;
        plan.number = s + 2;
        plan.blocks = (int)blocks[s];
        plan.stride = s == 0 ? 1 : roi ? model_int_or(m, c, "res5_stride", 1, 2, 1) : 2;
        plan.dilation = roi ? model_int(m, c, "res5_dilation", 1, 8) : 1;
        plan.in = resnet_stage_build(m, &plan, &g->stage[s]);
    }
    return width;
}

static void build_anchors(struct model *m, struct c4 *g)
{
    double ratios[8];
    double sizes[8];
    const json_t *c = m->config;
    const char *key = g->kind->caffe_anchors ? "anchor_scales" : "anchor_sizes";
    const int ratio_count = model_numbers(m, c, "anchor_ratios", 0.01, 100, ratios, 8);
    const int size_count = model_numbers(m, c, key, 0.01, 4096, sizes, 8);
    if (g->kind->caffe_anchors) {
        const double base = model_number(m, c, "anchor_base", 1, 1024);
        anchors_generate(base, ratios, ratio_count, sizes, size_count, g->anchor);
    } else {
        anchors_detectron2(sizes, size_count, ratios, ratio_count, g->anchor);
    }
    const int stride = model_int(m, c, "feat_stride", 16, 16); /* what four halvings give */
    g->grid = (struct anchor_grid){.stride_x = stride,
                                   .stride_y = stride,
                                   .anchors = ratio_count * size_count,
                                   .anchor = g->anchor};
}

static void build_rpn(struct model *m, int width, struct c4 *g)
{
    const json_t *c = m->config;
    const struct c4_kind *kind = g->kind;
    build_anchors(m, g);
    const struct rpn_plan plan = {.hidden = {kind->rpn_hidden},
                                  .score = kind->rpn_score,
                                  .delta = kind->rpn_delta,
                                  .in = width,
                                  .anchors = g->grid.anchors,
                                  .objectness = kind->objectness};
    rpn_build(m, &plan, &g->rpn);
    const double nms = model_number(m, c, "rpn_nms", 0, 1);
    const double min_size = model_number(m, c, "rpn_min_size", 0, 10000);
    g->proposals = (struct proposal_rule){
        .objectness = kind->objectness,
        .coder = *kind->coder,
        .levels = 1,
        .pre_nms = model_int(m, c, "rpn_pre_nms", 1, 100000),
        .post_nms = model_int(m, c, "rpn_post_nms", 1, 4000),
        .min_size = kind->strict && kind->coder->plus == 0 ? above(min_size) : (float)min_size,
        .small_first = kind->original_sizes,
        .nms = kind->strict ? above(nms) : (float)nms,
        .nms_plus = kind->nms_plus};
}

static void build_pooling(struct model *m, struct c4 *g)
{
    g->roi_side = model_int(m, m->config, "roi_pool", 1, 32);
    g->tile = TILE_PIXELS / (g->roi_side * g->roi_side);
    g->tile = g->tile < 1 ? 1 : g->tile;
    g->align = (struct roi_align){.levels = 1,
                                  .scale = {1.0f / (float)g->grid.stride_x},
                                  .aligned = g->kind->half_pixel,
                                  .sampling = model_int_or(m, m->config, "roi_sampling", 0, 16, 0)};
}

static void build_box_delta(struct model *m, int dim, int classes, struct c4 *g)
{
    if (g->kind->class_boxes) {
        const int rows = 4 * (classes - g->class_boxes.first_delta);
        g->box_delta = (struct conv){.in = dim, .out = rows};
        model_linear(m, g->kind->box_delta, &g->box_delta);
        return;
    }
    char key[160];
    int shape[2] = {4 * classes, dim};
    snprintf(key, sizeof key, "%s.weight", g->kind->box_delta);
    g->box_weight = model_tensor(m, key, 2, shape);
    snprintf(key, sizeof key, "%s.bias", g->kind->box_delta);
    g->box_bias = model_tensor(m, key, 1, shape);
}

static void build_heads(struct model *m, int dim, struct c4 *g)
{
    const int classes = (int)m->objects.n + 1;
    g->class_score = (struct conv){.in = dim, .out = classes};
    model_linear(m, g->kind->class_score, &g->class_score);
    build_box_delta(m, dim, classes, g);
    g->has_attributes = m->attributes.n > 0;
    if (g->has_attributes) {
        attribute_head_build(m, g->kind->attributes, dim, classes, &g->attributes);
    }
}

static void build_selection(struct model *m, const struct detector_options *options, struct c4 *g)
{
    const struct c4_kind *kind = g->kind;
    const double nms = model_number(m, m->config, "class_nms", 0, 1);
    const struct export_limits limits = export_limits_read(m, options);
    g->max_boxes = limits.max_boxes;
    if (!kind->class_boxes && g->max_boxes > g->proposals.post_nms) {
        g->max_boxes = g->proposals.post_nms;
    }
    g->box_coder = kind->second_weights ? box_coder_second(*kind->coder) : *kind->coder;
    g->select = (struct select_rule){.class_nms = kind->strict ? above(nms) : (float)nms,
                                     .nms_plus = kind->nms_plus,
                                     .threshold = limits.threshold,
                                     .min_boxes = limits.min_boxes,
                                     .max_boxes = g->max_boxes,
                                     .survivors_only = kind->survivors};
    g->class_boxes = (struct class_box_rule){.coder = g->box_coder,
                                             .first_delta = kind->background_last ? 1 : 0,
                                             .nms = nms,
                                             .threshold = (float)limits.threshold,
                                             .min_boxes = limits.min_boxes,
                                             .max_boxes = g->max_boxes,
                                             .drop_empty = true};
}

static void *c4_build(struct model *m, const struct detector_options *options,
                      struct arch_shape *shape)
{
    struct c4 *g = calloc(1, sizeof *g);
    if (!g) {
        model_fail(m, "no memory for the graph");
        return NULL;
    }
    g->kind = c4_kind_find(m);
    preprocess_read(m, &g->preprocess);
    const int width = build_body(m, g);
    build_rpn(m, width, g);
    build_selection(m, options, g);
    const struct resnet_stage *res5 = &g->stage[3];
    const int dim = m->rc ? 0 : res5->block[res5->n - 1].expand.out;
    build_heads(m, dim, g);
    build_pooling(m, g);
    *shape = (struct arch_shape){.preprocess = g->preprocess,
                                 .dim = (uint32_t)dim,
                                 .classes = m->objects.n + 1,
                                 .max_regions = (uint32_t)g->max_boxes};
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
    struct proposal_rule rule = g->proposals;
    if (g->kind->original_sizes) {
        rule.min_size = (float)((double)rule.min_size * geo->scale);
    }
    struct proposal_set set;
    struct tensor score;
    struct tensor delta;
    rpn_run(&g->rpn, pass, features, &score, &delta);
    proposals_begin(&rule, pass, &set);
    proposals_add(&rule, pass, &g->grid, &score, &delta, geo->net_width, geo->net_height, &set);
    const size_t n = proposals_choose(&rule, pass, &set, roi);
    proposals_end(pass, &set);
    pass_give(pass, delta.p);
    pass_give(pass, score.p);
    return n;
}

/* y [count][side][side][c] */
static void pool_rois(const struct c4 *g, struct pass *pass, const struct tensor *features,
                      const struct box *roi, size_t count, const struct tensor *y)
{
    if (g->kind->align) {
        roi_align(&g->align, pass, features, roi, NULL, count, y);
    } else if (pass_step(pass, "RoI pooling", 0)) {
        roi_pool(features, roi, count, 1.0f / (float)g->grid.stride_x, y);
    }
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
        pool_rois(g, pass, features, roi + from, count, &x);
        x = resnet_stage_run(&g->stage[3], pass, x);
        average_pool(pass, "pool5", &x, pooled + from * dim);
        pass_give(pass, x.p);
    }
    pass->room = 0;
}

/* RoIs that are computed apart: all of them, or where RoI max pooling makes some alike, one of
 * each. */
struct distinct {
    size_t n;
    struct box *roi;
    uint32_t *of; /* which of them stands for each RoI */
};

static struct distinct find_distinct(const struct c4 *g, struct pass *pass, struct box *roi,
                                     size_t n)
{
    const size_t most = (size_t)g->proposals.post_nms;
    struct distinct d = {.n = n, .roi = roi};
    if (g->kind->align) {
        return d;
    }
    d.roi = workspace_take(pass->ws, most, sizeof *d.roi);
    d.of = workspace_take(pass->ws, most, sizeof *d.of);
    if (!pass->dry) {
        d.n = roi_pool_distinct(roi, n, 1.0f / (float)g->grid.stride_x, d.roi, d.of);
    }
    return d;
}

/* rows[d.n][width] -> rows[n][width], from the end: no row moves forward. */
static void spread_rows(const struct pass *pass, const struct distinct *d, size_t n, float *rows,
                        size_t width)
{
    for (size_t i = n; d->of && !pass->dry && i-- > 0;) {
        memmove(rows + i * width, rows + d->of[i] * width, width * sizeof *rows);
    }
}

static float dot(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* `b` in an image of width x height, moved by the deltas of class `cls`: four rows of all suffice.
 */
static struct box refine(const struct c4 *g, struct box b, int width, int height,
                         const float *feature, size_t cls)
{
    const size_t dim = (size_t)g->class_score.in;
    float delta[4];
    for (size_t k = 0; k < 4; k++) {
        const size_t row = 4 * cls + k;
        delta[k] = dot(feature, g->box_weight + row * dim, dim) + g->box_bias[row];
    }
    return box_clip(box_decode(&g->box_coder, b, delta), (float)width, (float)height,
                    g->box_coder.plus);
}

/* Everything the choice of regions looks at. */
struct rois {
    size_t n;
    size_t room;
    const struct box *box; /* network px */
    struct roi_rows rows;
};

/* BUTD judges and moves boxes in the original image, after dividing them by the scale that was
 * asked for (im_info, a float blob); maskrcnn-benchmark in the network's. */
static void judged_boxes(const struct c4 *g, const struct geometry *geo, const struct box *roi,
                         size_t n, struct box *out)
{
    const float by = g->kind->original_sizes ? (float)geo->scale : 1.0f;
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct box){roi[i].x1 / by, roi[i].y1 / by, roi[i].x2 / by, roi[i].y2 / by};
    }
}

/* Where a region lies in the original image, given where it was judged. */
static void place_region(const struct c4 *g, const struct geometry *geo, struct box judged,
                         const float *feature, struct region *r)
{
    const size_t cls = 1u + r->object;
    if (g->kind->original_sizes) {
        r->box = judged;
        r->refined = refine(g, judged, geo->width, geo->height, feature, cls);
    } else {
        r->box = geometry_unscale(geo, judged);
        r->refined =
            geometry_unscale(geo, refine(g, judged, geo->net_width, geo->net_height, feature, cls));
    }
}

/* Proposals, by their confidence: into region[max_boxes]; cls[] receives what the attributes are
 * asked for, in BUTD's graph the best class, be it background (argmax of cls_score). */
static size_t choose_proposals(const struct c4 *g, struct pass *pass, const struct geometry *geo,
                               const struct rois *rois, struct region *region, uint32_t *cls)
{
    const size_t classes = rois->rows.classes;
    const size_t dim = rois->rows.dim;
    struct box *judged = workspace_take(pass->ws, rois->room, sizeof *judged);
    struct rating *rating = workspace_take(pass->ws, rois->room, sizeof *rating);
    uint32_t *chosen = workspace_take(pass->ws, (size_t)g->max_boxes, sizeof *chosen);
    if (!pass->dry) {
        judged_boxes(g, geo, rois->box, rois->n, judged);
    }
    const size_t n = select_regions(&g->select, pass, judged, rois->rows.prob, rois->n, rois->room,
                                    classes, chosen, rating);
    if (pass_step(pass, "bbox_pred", 4 * dim * (size_t)g->max_boxes)) {
        for (size_t i = 0; i < n; i++) {
            const uint32_t roi = chosen[i];
            const float *prob = rois->rows.prob + roi * classes;
            const bool survivor = g->kind->survivors;
            const size_t best = survivor ? rating[roi].cls : 1 + argmax(prob + 1, classes - 1);
            cls[i] = survivor ? rating[roi].cls : (uint32_t)argmax(prob, classes);
            region[i] = (struct region){.roi = roi,
                                        .object = (uint16_t)(best - 1),
                                        .conf = rating[roi].conf,
                                        .object_conf = prob[best]};
            place_region(g, geo, judged[roi], rois->rows.feature + roi * dim, &region[i]);
        }
    }
    pass_give(pass, chosen);
    pass_give(pass, rating);
    pass_give(pass, judged);
    return n;
}

/* Every class' boxes, by their score. */
static size_t choose_class_boxes(const struct c4 *g, struct pass *pass, const struct geometry *geo,
                                 const struct rois *rois, float *pooled, struct region *region,
                                 uint32_t *cls)
{
    const struct class_box_rois in = {.n = rois->n,
                                      .room = rois->room,
                                      .classes = rois->rows.classes,
                                      .box = rois->box,
                                      .prob = rois->rows.prob,
                                      .width = geo->net_width,
                                      .height = geo->net_height};
    const size_t n = class_boxes_run(&g->class_boxes, &g->box_delta, pass, geo, in, pooled, region);
    for (size_t i = 0; i < n && !pass->dry; i++) {
        cls[i] = 1u + region[i].object;
    }
    return n;
}

static void c4_run(const void *graph, struct pass *pass, const struct geometry *geo,
                   const uint8_t *rgb, struct detections *out)
{
    const struct c4 *g = graph;
    const size_t most = (size_t)g->proposals.post_nms;
    const size_t room = (size_t)g->max_boxes;
    const size_t dim = (size_t)g->class_score.in;
    struct box *roi = workspace_take(pass->ws, most, sizeof *roi);
    float *pooled = pass_floats(pass, most * dim);
    const struct tensor features = run_body(g, pass, geo, rgb);
    const size_t n = run_rpn(g, pass, &features, geo, roi);
    const struct distinct distinct = find_distinct(g, pass, roi, n);
    run_rois(g, pass, &features, distinct.roi, distinct.n, pooled);
    pass_give(pass, features.p);

    float *prob = class_probabilities(&g->class_score, g->kind->background_last, pass, pooled,
                                      distinct.n, most);
    spread_rows(pass, &distinct, n, pooled, dim);
    spread_rows(pass, &distinct, n, prob, (size_t)g->class_score.out);
    const struct rois rois = {n, most, roi, {dim, (size_t)g->class_score.out, pooled, prob}};
    struct region *region = workspace_take(pass->ws, room, sizeof *region);
    uint32_t *cls = workspace_take(pass->ws, room, sizeof *cls);
    const size_t chosen = g->kind->class_boxes
                              ? choose_class_boxes(g, pass, geo, &rois, pooled, region, cls)
                              : choose_proposals(g, pass, geo, &rois, region, cls);
    export_regions(pass, region, chosen, room, &rois.rows, out);
    out->regressed = g->kind->class_boxes;
    if (g->has_attributes) {
        attribute_head_run(&g->attributes, pass, out->features, cls, chosen, room, out);
    }
}

const struct arch arch_c4 = {.build = c4_build, .free = free, .run = c4_run};
