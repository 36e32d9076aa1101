/* The model files of reference_frcnn.h. */
#include <stdio.h>
#include <stdlib.h>

#include "model_writer.h"
#include "reference_frcnn.h"

enum { STEM = 6, OBJECTS = 5, ATTRIBUTES = 4, PYRAMID = 6 };

static bool is_fpn(const struct frcnn_plan *p)
{
    return p->kind == FRCNN_FPN || p->kind == FRCNN_FPN_V2;
}

/* "prefix" + "name"; valid until the next call. */
static const char *join(const char *prefix, const char *name)
{
    static char text[128];
    snprintf(text, sizeof text, "%s%s", prefix, name);
    return text;
}

static const char *stage_prefix(const struct frcnn_plan *p, int stage)
{
    static char text[96];
    if (p->kind == FRCNN_DETECTRON2) {
        snprintf(text, sizeof text, "%s.res%d.0.", stage == 5 ? "roi_heads" : "backbone", stage);
    } else if (p->kind == FRCNN_MASKRCNN && stage == 5) {
        snprintf(text, sizeof text, "roi_heads.box.feature_extractor.head.layer4.0.");
    } else {
        snprintf(text, sizeof text, "backbone.body.layer%d.0.", stage - 1);
    }
    return text;
}

/* One block a stage, of narrow width 4 and wide width 8 times 1, 2, ... */
static int add_stage(struct model_writer *w, const struct frcnn_plan *p, int stage, int in)
{
    const char *prefix = stage_prefix(p, stage);
    const int narrow = 4;
    const int wide = 8 + 2 * stage;
    const int groups = p->kind == FRCNN_MASKRCNN ? 2 : 1;
    model_writer_layer(w, join(prefix, "conv1"), narrow, in, 1, 4, 1.4f);
    model_writer_layer(w, join(prefix, "conv2"), narrow, narrow / groups, 3, 4, 1.4f);
    model_writer_layer(w, join(prefix, "conv3"), wide, narrow, 1, 4, 0.7f);
    model_writer_layer(w, join(prefix, p->kind == FRCNN_DETECTRON2 ? "shortcut" : "downsample.0"),
                       wide, in, 1, 4, 1.0f);
    return wide;
}

static void add_fpn(struct model_writer *w, const struct frcnn_plan *p)
{
    const bool v2 = p->kind == FRCNN_FPN_V2;
    char name[96];
    int wide = STEM;
    model_writer_layer(w, "backbone.body.conv1", STEM, 3, 7, 4, 1.0f);
    for (int s = 0; s < 4; s++) {
        wide = add_stage(w, p, s + 2, wide);
        snprintf(name, sizeof name, "backbone.fpn.inner_blocks.%d.0", s);
        model_writer_layer(w, name, PYRAMID, wide, 1, 4, 1.0f);
        snprintf(name, sizeof name, "backbone.fpn.layer_blocks.%d.0", s);
        model_writer_layer(w, name, PYRAMID, PYRAMID, 3, 4, 1.0f);
    }
    for (int i = 0; i < (v2 ? 2 : 1); i++) {
        snprintf(name, sizeof name, "rpn.head.conv.%d.0", i);
        model_writer_layer(w, name, PYRAMID, PYRAMID, 3, 4, 1.4f);
    }
    model_writer_layer(w, "rpn.head.cls_logits", 3, PYRAMID, 1, 4, 1.0f);
    model_writer_layer(w, "rpn.head.bbox_pred", 12, PYRAMID, 1, 4, 0.3f);
    for (int i = 0; v2 && i < 2; i++) {
        snprintf(name, sizeof name, "roi_heads.box_head.%d.0", i);
        model_writer_layer(w, name, PYRAMID, PYRAMID, 3, 4, 1.4f);
    }
    model_writer_layer(w, v2 ? "roi_heads.box_head.3" : "roi_heads.box_head.fc6", 9, PYRAMID * 9, 1,
                       2, 1.4f);
    if (!v2) {
        model_writer_layer(w, "roi_heads.box_head.fc7", 7, 9, 1, 2, 1.4f);
    }
    model_writer_layer(w, "roi_heads.box_predictor.cls_score", OBJECTS + 1, v2 ? 9 : 7, 1, 2, 2.5f);
    model_writer_layer(w, "roi_heads.box_predictor.bbox_pred", 4 * (OBJECTS + 1), v2 ? 9 : 7, 1, 2,
                       1.0f);
}

static void add_c4(struct model_writer *w, const struct frcnn_plan *p)
{
    const bool d2 = p->kind == FRCNN_DETECTRON2;
    const char *rpn = d2 ? "proposal_generator.rpn_head." : "rpn.head.";
    const char *head = d2 ? "roi_heads.box_predictor." : "roi_heads.box.predictor.";
    model_writer_layer(w, d2 ? "backbone.stem.conv1" : "backbone.body.stem.conv1", STEM, 3, 7, 4,
                       0.03f);
    int wide = STEM;
    for (int stage = 2; stage < 5; stage++) {
        wide = add_stage(w, p, stage, wide);
    }
    model_writer_layer(w, join(rpn, "conv"), 7, wide, 3, 4, 1.4f);
    model_writer_layer(w, join(rpn, d2 ? "objectness_logits" : "cls_logits"), 6, 7, 1, 4, 1.0f);
    model_writer_layer(w, join(rpn, d2 ? "anchor_deltas" : "bbox_pred"), 24, 7, 1, 4, 0.3f);
    wide = add_stage(w, p, 5, wide);
    model_writer_layer(w, join(head, "cls_score"), OBJECTS + 1, wide, 1, 2, 2.5f);
    model_writer_layer(w, join(head, "bbox_pred"), 4 * (OBJECTS + !d2), wide, 1, 2, 1.0f);
    if (!d2) {
        const int shape[2] = {OBJECTS + 1, 3};
        model_writer_tensor(w, "attribute.predictor.cls_embedding.weight", shape, 2, 1.0f);
        model_writer_layer(w, "attribute.predictor.fc_attr", 8, wide + 3, 1, 2, 1.4f);
        model_writer_layer(w, "attribute.predictor.attr_score", ATTRIBUTES + 1, 8, 1, 2, 2.0f);
    }
}

static json_t *config_of(const struct frcnn_plan *p)
{
    json_t *c = json_pack("{s:[i,i,i,i], s:b, s:i, s:i, s:f, s:f, s:f, s:i, s:i, s:[f,f,f]}",
                          "blocks", 1, 1, 1, 1, "stride_in_1x1", p->kind == FRCNN_DETECTRON2,
                          "rpn_pre_nms", 60, "rpn_post_nms", 40, "rpn_nms", 0.7, "class_nms", 0.5,
                          "conf_threshold", p->threshold, "min_boxes", p->min_boxes, "max_boxes",
                          p->max_boxes, "anchor_ratios", 0.5, 1.0, 2.0);
    json_t *more =
        is_fpn(p)
            ? json_pack("{s:[i,i,i,i,i], s:i, s:f, s:f, s:i, s:i, s:i}", "anchor_sizes", 16, 32, 48,
                        64, 96, "rpn_convs", p->kind == FRCNN_FPN_V2 ? 2 : 1, "rpn_min_size", 0.001,
                        "box_min_size", 0.01, "roi_pool", 3, "roi_sampling", 2, "box_convs",
                        p->kind == FRCNN_FPN_V2 ? 2 : 0)
            : json_pack("{s:b, s:i, s:i, s:i, s:i, s:i}", "caffe_pool", 0, "roi_pool", 6,
                        "res5_stride", 2, "res5_dilation", 1, "feat_stride", 16, "rpn_min_size", 0);
    json_object_update(c, more);
    json_decref(more);
    if (p->kind == FRCNN_DETECTRON2) {
        json_object_set_new(c, "conventions", json_string("detectron2"));
        json_object_set_new(c, "anchor_sizes", json_pack("[i,i]", 24, 48));
    } else if (p->kind == FRCNN_MASKRCNN) {
        json_object_set_new(c, "conventions", json_string("maskrcnn-benchmark"));
        json_object_set_new(c, "groups", json_integer(2));
        json_object_set_new(c, "anchor_base", json_integer(16));
        json_object_set_new(c, "anchor_scales", json_pack("[i,i]", 2, 3));
    }
    return c;
}

static json_t *preprocess_of(const struct frcnn_plan *p)
{
    const int shorter = p->width < p->height ? p->width : p->height;
    if (is_fpn(p)) {
        return json_pack("{s:s, s:[f,f,f], s:[f,f,f], s:i, s:i, s:i, s:s}", "channels", "RGB",
                         "mean", 123.675, 116.28, 103.53, "std", 58.395, 57.12, 57.375, "short",
                         shorter, "long", 500, "multiple", 32, "resize", "torchvision");
    }
    return json_pack("{s:s, s:[f,f,f], s:[f,f,f], s:i, s:i, s:s}", "channels", "BGR", "mean",
                     103.53, 116.28, 123.675, "std", 1.0, 1.0, 1.0, "short", shorter, "long", 500,
                     "resize", p->kind == FRCNN_DETECTRON2 ? "detectron2" : "maskrcnn-benchmark");
}

void frcnn_plan_write(const struct frcnn_plan *plan, const char *path)
{
    static const char *const names[] = {[FRCNN_FPN] = "frcnn-r50-fpn",
                                        [FRCNN_FPN_V2] = "frcnn-r50-fpn-v2",
                                        [FRCNN_DETECTRON2] = "frcnn-r50-c4",
                                        [FRCNN_MASKRCNN] = "frcnn-x152-c4"};
    const int attributes = plan->kind == FRCNN_MASKRCNN ? ATTRIBUTES : 0;
    struct model_writer w;
    model_writer_init(&w, plan->seed, NULL);
    model_writer_metadata(&w, "format", json_string("pairmill-model/1"));
    model_writer_metadata(&w, "architecture", json_string(names[plan->kind]));
    model_writer_metadata(&w, "config", config_of(plan));
    model_writer_metadata(&w, "preprocess", preprocess_of(plan));
    model_writer_metadata(&w, "objects", model_writer_names("object", OBJECTS));
    model_writer_metadata(&w, "attributes", model_writer_names("attribute", attributes));
    if (is_fpn(plan)) {
        add_fpn(&w, plan);
    } else {
        add_c4(&w, plan);
    }
    model_writer_save(&w, path);
}
