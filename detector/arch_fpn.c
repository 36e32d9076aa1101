/*
 * Faster R-CNN on a feature pyramid (Lin et al. 2017), torchvision's graph and names
 * (torchvision/models/detection/faster_rcnn.py), with any widths, depths, anchors and vocabularies.
 *
 *     conv1 pool1 layer1 layer2 layer3 layer4
 *                    |      |      |      |
 *                  inner  inner  inner  inner      1x1
 *                    +<-up--+<-up--+<-up--+
 *                  layer  layer  layer  layer      3x3
 *                    |      |      |      |-- every other pixel
 *                   P2     P3     P4     P5     P6  -- rpn -- proposals
 *                    `------`------`------`-- RoI align -- box head = feature -- class, boxes
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "detector/arch.h"
#include "detector/class_boxes.h"
#include "detector/export.h"
#include "detector/pool.h"
#include "detector/resnet.h"
#include "detector/roi_align.h"
#include "detector/rpn.h"
#include "detector/upsample.h"

enum {
    STAGES = 4,          /* layer1 to layer4, P2 to P5 */
    LEVELS = STAGES + 1, /* and P6 */
    BOX_CONVS = 8,
    BOX_FCS = 2,
    RATIOS_MAX = 8,
    TILE_PIXELS = 3200, /* RoI pixels in a tile of the box head's convolutions */
    NAME_ROOM = 96
};

/* Which level a RoI is pooled from: P4 for one of 224 px. */
static const float canonical_side = 224;
static const float canonical_level = 4;

struct fpn {
    struct preprocess preprocess;
    struct resnet_stem stem;
    struct resnet_stage stage[STAGES];
    struct conv inner[STAGES];
    struct conv layer[STAGES];
    struct max_pool every_other;
    struct rpn rpn;
    int anchors;
    struct box anchor[LEVELS][RATIOS_MAX];
    struct proposal_rule proposals;
    int roi_side;
    int roi_sampling;
    int box_convs;
    struct conv box_conv[BOX_CONVS];
    int box_fcs;
    struct conv box_fc[BOX_FCS];
    struct conv class_score;
    struct conv box_delta;
    struct class_box_rule class_boxes;
};

/* ---- building ---- */

/* `name` with the number i in it. */
static void build_numbered(struct model *m, const char *name, int i, struct conv *c)
{
    char key[NAME_ROOM];
    snprintf(key, sizeof key, "%s.%d.0", name, i);
    model_conv(m, key, c);
}

static void build_body(struct model *m, struct fpn *g)
{
    const json_t *c = m->config;
    double blocks[STAGES];
    if (model_numbers(m, c, "blocks", 1, RESNET_BLOCKS, blocks, STAGES) != STAGES) {
        model_fail(m, "\"blocks\" must list the blocks of layer1, layer2, layer3 and layer4");
        return;
    }
    resnet_stem_build(m, "backbone.body.conv1", false, &g->stem);
    struct resnet_stage_plan plan = {.prefix = "backbone.body.",
                                     .names = RESNET_TORCHVISION,
                                     .in = g->stem.conv1.out,
                                     .dilation = 1,
                                     .stride_in_1x1 = model_bool(m, c, "stride_in_1x1")};
    for (int s = 0; s < STAGES; s++) {
        plan.number = s + 2;
        plan.blocks = (int)blocks[s];
        plan.stride = s ? 2 : 1;
        plan.in = resnet_stage_build(m, &plan, &g->stage[s]);
        g->inner[s] = (struct conv){.in = plan.in, .kernel = 1, .stride = 1, .dilation = 1};
    }
}

/* Returns the pyramid's width. */
static int build_pyramid(struct model *m, struct fpn *g)
{
    int width = 0;
    for (int s = 0; s < STAGES; s++) {
        g->inner[s].out = width;
        build_numbered(m, "backbone.fpn.inner_blocks", s, &g->inner[s]);
        width = g->inner[s].out;
    }
    for (int s = 0; s < STAGES; s++) {
        g->layer[s] = (struct conv){
            .in = width, .out = width, .kernel = 3, .stride = 1, .pad = 1, .dilation = 1};
        build_numbered(m, "backbone.fpn.layer_blocks", s, &g->layer[s]);
    }
    g->every_other = (struct max_pool){.name = "P6", .kernel = 1, .stride = 2};
    return width;
}

static void build_anchors(struct model *m, struct fpn *g)
{
    double ratios[RATIOS_MAX];
    double sizes[LEVELS];
    const json_t *c = m->config;
    g->anchors = model_numbers(m, c, "anchor_ratios", 0.01, 100, ratios, RATIOS_MAX);
    if (model_numbers(m, c, "anchor_sizes", 1, 4096, sizes, LEVELS) != LEVELS) {
        model_fail(m, "\"anchor_sizes\" must list one size for each of P2 to P6");
        return;
    }
    for (int l = 0; l < LEVELS; l++) {
        anchors_torchvision(sizes[l], ratios, g->anchors, g->anchor[l]);
    }
}

static void build_rpn(struct model *m, int width, struct fpn *g)
{
    const json_t *c = m->config;
    const int depth = model_int(m, c, "rpn_convs", 1, RPN_DEPTH);
    build_anchors(m, g);
    const struct rpn_plan plan = {
        .hidden = {"rpn.head.conv.0.0", depth > 1 ? "rpn.head.conv.1.0" : NULL},
        .score = "rpn.head.cls_logits",
        .delta = "rpn.head.bbox_pred",
        .in = width,
        .anchors = g->anchors,
        .objectness = OBJECTNESS_SIGMOID};
    rpn_build(m, &plan, &g->rpn);
    g->proposals =
        (struct proposal_rule){.objectness = OBJECTNESS_SIGMOID,
                               .coder = box_coder_torch,
                               .levels = LEVELS,
                               .pre_nms = model_int(m, c, "rpn_pre_nms", 1, 100000),
                               .post_nms = model_int(m, c, "rpn_post_nms", 1, 4000),
                               .min_size = (float)model_number(m, c, "rpn_min_size", 0, 10000),
                               .nms = above(model_number(m, c, "rpn_nms", 0, 1))};
}

/* Returns the length of a region's feature. */
static int build_box_head(struct model *m, int width, struct fpn *g)
{
    g->roi_side = model_int(m, m->config, "roi_pool", 1, 32);
    g->roi_sampling = model_int(m, m->config, "roi_sampling", 0, 16);
    g->box_convs = model_int(m, m->config, "box_convs", 0, BOX_CONVS);
    for (int i = 0; i < g->box_convs; i++) {
        g->box_conv[i] = (struct conv){
            .in = width, .kernel = 3, .stride = 1, .pad = 1, .dilation = 1, .relu = true};
        build_numbered(m, "roi_heads.box_head", i, &g->box_conv[i]);
        width = g->box_conv[i].out;
    }
    g->box_fcs = g->box_convs ? 1 : 2;
    g->box_fc[0] = (struct conv){.in = width, .relu = true};
    if (g->box_convs) { /* one layer, numbered after the convolutions and the flattening */
        char key[NAME_ROOM];
        snprintf(key, sizeof key, "roi_heads.box_head.%d", g->box_convs + 1);
        model_linear_of_map(m, key, g->roi_side, &g->box_fc[0]);
        return g->box_fc[0].out;
    }
    model_linear_of_map(m, "roi_heads.box_head.fc6", g->roi_side, &g->box_fc[0]);
    g->box_fc[1] = (struct conv){.in = g->box_fc[0].out, .relu = true};
    model_linear(m, "roi_heads.box_head.fc7", &g->box_fc[1]);
    return g->box_fc[1].out;
}

static void build_predictor(struct model *m, const struct detector_options *options, int dim,
                            struct fpn *g)
{
    const int classes = (int)m->objects.n + 1;
    g->class_score = (struct conv){.in = dim, .out = classes};
    model_linear(m, "roi_heads.box_predictor.cls_score", &g->class_score);
    g->box_delta = (struct conv){.in = dim, .out = 4 * classes};
    model_linear(m, "roi_heads.box_predictor.bbox_pred", &g->box_delta);
    const struct export_limits limits = export_limits_read(m, options);
    g->class_boxes = (struct class_box_rule){
        .coder = box_coder_second(box_coder_torch),
        .min_side = (float)model_number(m, m->config, "box_min_size", 0, 10000),
        .nms = model_number(m, m->config, "class_nms", 0, 1),
        .threshold = (float)limits.threshold,
        .min_boxes = limits.min_boxes,
        .max_boxes = limits.max_boxes};
}

static void *fpn_build(struct model *m, const struct detector_options *options,
                       struct arch_shape *shape)
{
    struct fpn *g = calloc(1, sizeof *g);
    if (!g) {
        model_fail(m, "no memory for the graph");
        return NULL;
    }
    preprocess_read(m, &g->preprocess);
    build_body(m, g);
    const int width = build_pyramid(m, g);
    build_rpn(m, width, g);
    const int dim = build_box_head(m, width, g);
    build_predictor(m, options, dim, g);
    *shape = (struct arch_shape){.preprocess = g->preprocess,
                                 .dim = (uint32_t)dim,
                                 .classes = m->objects.n + 1,
                                 .max_regions = (uint32_t)g->class_boxes.max_boxes};
    return g;
}

/* ---- running ---- */

/* Lateral maps of layer1 to layer4; each stage's output is gone once the next one has run. */
static void run_body(const struct fpn *g, struct pass *pass, const struct geometry *geo,
                     const uint8_t *rgb, struct tensor lateral[STAGES])
{
    const struct tensor input = preprocess_run(&g->preprocess, pass, geo, rgb);
    struct tensor x = resnet_stem_run(&g->stem, pass, input);
    for (int s = 0; s < STAGES; s++) {
        x = resnet_stage_run(&g->stage[s], pass, x);
        lateral[s] = conv_run(&g->inner[s], pass, &x);
    }
    pass_give(pass, x.p);
}

/* P2 to P6, from the top down.  Gives the lateral maps back. */
static void run_pyramid(const struct fpn *g, struct pass *pass, struct tensor lateral[STAGES],
                        struct tensor level[LEVELS])
{
    for (int s = STAGES - 1; s >= 0; s--) {
        if (s < STAGES - 1) {
            upsample_add(pass, "top-down", &lateral[s + 1], &lateral[s]);
            pass_give(pass, lateral[s + 1].p);
        }
        level[s] = conv_run(&g->layer[s], pass, &lateral[s]);
    }
    pass_give(pass, lateral[0].p);
    level[STAGES] = max_pool_run(&g->every_other, pass, &level[STAGES - 1]);
}

static size_t run_rpn(const struct fpn *g, struct pass *pass, const struct geometry *geo,
                      const struct tensor level[LEVELS], struct box *roi)
{
    struct proposal_set set;
    proposals_begin(&g->proposals, pass, &set);
    for (int l = 0; l < LEVELS; l++) {
        const struct anchor_grid grid = {.stride_x = geo->padded_width / level[l].w,
                                         .stride_y = geo->padded_height / level[l].h,
                                         .anchors = g->anchors,
                                         .anchor = g->anchor[l]};
        struct tensor score;
        struct tensor delta;
        rpn_run(&g->rpn, pass, &level[l], &score, &delta);
        proposals_add(&g->proposals, pass, &grid, &score, &delta, geo->net_width, geo->net_height,
                      &set);
        pass_give(pass, delta.p);
        pass_give(pass, score.p);
    }
    const size_t n = proposals_choose(&g->proposals, pass, &set, roi);
    proposals_end(pass, &set);
    return n;
}

/* Feature px a network px: the power of two next to the ratio of the heights, where the image's is
 * without padding (torchvision/ops/poolers.py). */
static int log2_scale(const struct geometry *geo, const struct tensor *level)
{
    return (int)rintf(log2f((float)((double)level->h / geo->net_height)));
}

static struct roi_align make_align(const struct fpn *g, const struct geometry *geo,
                                   const struct tensor level[LEVELS])
{
    struct roi_align align = {.levels = STAGES, .sampling = g->roi_sampling};
    for (int l = 0; l < STAGES; l++) {
        align.scale[l] = exp2f((float)log2_scale(geo, &level[l]));
    }
    return align;
}

/* Which level each RoI is pooled from, 0 being P2 (LevelMapper in the same file). */
static void assign_levels(const struct geometry *geo, const struct tensor level[LEVELS],
                          const struct box *roi, size_t n, uint8_t *of)
{
    const float least = (float)-log2_scale(geo, &level[0]);
    const float most = (float)-log2_scale(geo, &level[STAGES - 1]);
    for (size_t i = 0; i < n; i++) {
        const float side = sqrtf(box_area(roi[i], 0));
        const float at = floorf(canonical_level + log2f(side / canonical_side) + 1e-6f);
        of[i] = (uint8_t)((at < least ? least : at > most ? most : at) - least);
    }
}

/* Some RoIs' maps [count][side][side][c] through the box head's convolutions, the last of which
 * writes to `out`. */
static void run_box_convs(const struct fpn *g, struct pass *pass, struct tensor x,
                          const struct tensor *out)
{
    for (int i = 0; i < g->box_convs; i++) {
        if (i == g->box_convs - 1) {
            conv_run_into(&g->box_conv[i], pass, &x, out, 0);
            pass_give(pass, x.p);
        } else {
            const struct tensor y = conv_run(&g->box_conv[i], pass, &x);
            pass_give(pass, x.p);
            x = y;
        }
    }
}

/* What the first fully connected layer sees of each RoI: flat [n][side][side][c]. */
static void run_rois(const struct fpn *g, struct pass *pass, const struct geometry *geo,
                     const struct tensor level[LEVELS], const struct box *roi, size_t n,
                     const struct tensor *flat)
{
    uint8_t *of = workspace_take(pass->ws, (size_t)g->proposals.post_nms, sizeof *of);
    const struct roi_align align = make_align(g, geo, level);
    if (!pass->dry) {
        assign_levels(geo, level, roi, n, of);
    }
    const size_t fits = TILE_PIXELS / (size_t)(g->roi_side * g->roi_side);
    const size_t tile = fits ? fits : 1;
    pass->room = (int)tile;
    for (size_t from = 0; from < n; from += tile) {
        const size_t count = n - from < tile ? n - from : tile;
        struct tensor out = *flat;
        out.n = (int)count;
        out.p = flat->p + from * (size_t)g->box_fc[0].in;
        if (g->box_convs) {
            const struct tensor x =
                pass_tensor(pass, (int)count, g->roi_side, g->roi_side, level[0].c);
            roi_align(&align, pass, level, roi + from, of + from, count, &x);
            run_box_convs(g, pass, x, &out);
        } else {
            roi_align(&align, pass, level, roi + from, of + from, count, &out);
        }
    }
    pass->room = 0;
    pass_give(pass, of);
}

/* Each RoI's feature [n][dim]. */
static struct tensor run_box_head(const struct fpn *g, struct pass *pass,
                                  const struct geometry *geo, const struct tensor level[LEVELS],
                                  const struct box *roi, size_t n)
{
    const size_t room = (size_t)g->proposals.post_nms;
    struct tensor x = {.n = (int)room, .h = g->roi_side, .w = g->roi_side};
    x.c = g->box_fc[0].in / (g->roi_side * g->roi_side);
    x.p = pass_floats(pass, room * (size_t)g->box_fc[0].in);
    run_rois(g, pass, geo, level, roi, n, &x);
    x = (struct tensor){.p = x.p, .n = (int)n, .h = 1, .w = 1, .c = g->box_fc[0].in};
    pass->room = (int)room;
    for (int i = 0; i < g->box_fcs; i++) {
        const struct tensor y = conv_run(&g->box_fc[i], pass, &x);
        pass_give(pass, x.p);
        x = y;
    }
    pass->room = 0;
    return x;
}

static void fpn_run(const void *graph, struct pass *pass, const struct geometry *geo,
                    const uint8_t *rgb, struct detections *out)
{
    const struct fpn *g = graph;
    const size_t most = (size_t)g->proposals.post_nms;
    const size_t room = (size_t)g->class_boxes.max_boxes;
    struct tensor lateral[STAGES];
    struct tensor level[LEVELS];
    struct box *roi = workspace_take(pass->ws, most, sizeof *roi);
    run_body(g, pass, geo, rgb, lateral);
    run_pyramid(g, pass, lateral, level);
    const size_t n = run_rpn(g, pass, geo, level, roi);
    const struct tensor feature = run_box_head(g, pass, geo, level, roi, n);
    for (int l = LEVELS - 1; l >= 0; l--) {
        pass_give(pass, level[l].p);
    }
    const float *prob = class_probabilities(&g->class_score, false, pass, feature.p, n, most);
    const struct class_box_rois rois = {.n = n,
                                        .room = most,
                                        .classes = (size_t)g->class_score.out,
                                        .box = roi,
                                        .prob = prob,
                                        .width = geo->net_width,
                                        .height = geo->net_height};
    const struct roi_rows rows = {(size_t)feature.c, rois.classes, feature.p, prob};
    struct region *region = workspace_take(pass->ws, room, sizeof *region);
    const size_t chosen =
        class_boxes_run(&g->class_boxes, &g->box_delta, pass, geo, rois, feature.p, region);
    export_regions(pass, region, chosen, room, &rows, out);
    out->regressed = true;
}

const struct arch arch_fpn = {.build = fpn_build, .free = free, .run = fpn_run};

/* ---- published networks ---- */

/* torchvision/models/detection/faster_rcnn.py: the defaults of class FasterRCNN and of
 * fasterrcnn_resnet50_fpn() and fasterrcnn_resnet50_fpn_v2() */
#define TORCHVISION_FPN(RPN_CONVS, BOX_CONVS)                                           \
    "{\"blocks\": [3, 4, 6, 3], \"stride_in_1x1\": false, "                             \
    "\"anchor_sizes\": [32, 64, 128, 256, 512], \"anchor_ratios\": [0.5, 1, 2], "       \
    "\"rpn_convs\": " RPN_CONVS ", \"rpn_pre_nms\": 1000, \"rpn_post_nms\": 1000, "     \
    "\"rpn_nms\": 0.7, \"rpn_min_size\": 0.001, \"roi_pool\": 7, \"roi_sampling\": 2, " \
    "\"box_convs\": " BOX_CONVS ", \"box_min_size\": 0.01, \"class_nms\": 0.5, "        \
    "\"conf_threshold\": 0.05, \"min_boxes\": 0, \"max_boxes\": 100}"
const char torchvision_fpn_config[] = TORCHVISION_FPN("1", "0");
const char torchvision_fpn_v2_config[] = TORCHVISION_FPN("2", "4");
const char torchvision_preprocess[] =
    "{\"channels\": \"RGB\", \"mean\": [123.675, 116.28, 103.53], "
    "\"std\": [58.395, 57.12, 57.375], \"short\": 800, \"long\": 1333, \"multiple\": 32, "
    "\"resize\": \"torchvision\"}";
