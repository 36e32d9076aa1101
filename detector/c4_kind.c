#include "detector/c4_kind.h"

#include "detector/arch.h"

static const struct c4_kind kinds[] = {
    {.name = "caffe",
     .blocks = RESNET_LETTERS,
     .conv1 = "conv1",
     .body = "",
     .res5 = "",
     .rpn_hidden = "rpn_conv/3x3",
     .rpn_score = "rpn_cls_score",
     .rpn_delta = "rpn_bbox_pred",
     .class_score = "cls_score",
     .box_delta = "bbox_pred",
     .attributes = "",
     .caffe_anchors = true,
     .objectness = OBJECTNESS_SOFTMAX,
     .coder = &box_coder_caffe,
     .nms_plus = 1,
     .original_sizes = true},
    {.name = "detectron2",
     .blocks = RESNET_DETECTRON2,
     .conv1 = "backbone.stem.conv1",
     .body = "backbone.",
     .res5 = "roi_heads.",
     .rpn_hidden = "proposal_generator.rpn_head.conv",
     .rpn_score = "proposal_generator.rpn_head.objectness_logits",
     .rpn_delta = "proposal_generator.rpn_head.anchor_deltas",
     .class_score = "roi_heads.box_predictor.cls_score",
     .box_delta = "roi_heads.box_predictor.bbox_pred",
     .attributes = "roi_heads.box_predictor.",
     .objectness = OBJECTNESS_LOGIT,
     .coder = &box_coder_torch,
     .strict = true,
     .align = true,
     .half_pixel = true,
     .background_last = true,
     .second_weights = true,
     .class_boxes = true},
    {.name = "maskrcnn-benchmark",
     .blocks = RESNET_TORCHVISION,
     .conv1 = "backbone.body.stem.conv1",
     .body = "backbone.body.",
     .res5 = "roi_heads.box.feature_extractor.head.",
     .rpn_hidden = "rpn.head.conv",
     .rpn_score = "rpn.head.cls_logits",
     .rpn_delta = "rpn.head.bbox_pred",
     .class_score = "roi_heads.box.predictor.cls_score",
     .box_delta = "roi_heads.box.predictor.bbox_pred",
     .attributes = "attribute.predictor.",
     .caffe_anchors = true,
     .objectness = OBJECTNESS_SIGMOID,
     .coder = &box_coder_maskrcnn,
     .strict = true, /* it uses torchvision's NMS where there is one */
     .align = true,
     .second_weights = true,
     .survivors = true},
};

const struct c4_kind *c4_kind_find(struct model *m)
{
    const char *name = model_string(m, m->config, "conventions", "caffe");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    model_fail(m,
               "\"conventions\" is \"%.30s\" in the config; caffe, detectron2 and "
               "maskrcnn-benchmark are known",
               name);
    return &kinds[0];
}

/* ---- published networks ---- */

/* bottom-up-attention models/vg/ResNet-101, lib/fast_rcnn/config.py and
 * experiments/cfgs/faster_rcnn_end2end_resnet.yml */
const char butd_config[] =
    "{\"conventions\": \"caffe\", \"blocks\": [3, 4, 23, 3], \"block_names\": \"butd\", "
    "\"stride_in_1x1\": true, \"caffe_pool\": true, \"roi_pool\": 14, \"res5_dilation\": 2, "
    "\"feat_stride\": 16, \"anchor_base\": 16, \"anchor_ratios\": [0.5, 1, 2], "
    "\"anchor_scales\": [4, 8, 16, 32], \"rpn_pre_nms\": 6000, \"rpn_post_nms\": 300, "
    "\"rpn_nms\": 0.7, \"rpn_min_size\": 16, \"class_nms\": 0.3, \"conf_threshold\": 0.2, "
    "\"min_boxes\": 10, \"max_boxes\": 100}";
const char butd_preprocess[] =
    "{\"channels\": \"BGR\", \"mean\": [102.9801, 115.9465, 122.7717], \"std\": [1, 1, 1], "
    "\"short\": 600, \"long\": 1000, \"resize\": \"caffe\"}";

/* detectron2 configs/Base-RCNN-C4.yaml and detectron2/config/defaults.py */
#define DETECTRON2_C4(BLOCKS)                                                                \
    "{\"conventions\": \"detectron2\", \"blocks\": " BLOCKS ", \"stride_in_1x1\": true, "    \
    "\"caffe_pool\": false, \"roi_pool\": 14, \"roi_sampling\": 0, \"res5_stride\": 2, "     \
    "\"res5_dilation\": 1, \"feat_stride\": 16, \"anchor_sizes\": [32, 64, 128, 256, 512], " \
    "\"anchor_ratios\": [0.5, 1, 2], \"rpn_pre_nms\": 6000, \"rpn_post_nms\": 1000, "        \
    "\"rpn_nms\": 0.7, \"rpn_min_size\": 0, \"class_nms\": 0.5, \"conf_threshold\": 0.05, "  \
    "\"min_boxes\": 0, \"max_boxes\": 100}"
const char detectron2_r50_c4_config[] = DETECTRON2_C4("[3, 4, 6, 3]");
const char detectron2_r101_c4_config[] = DETECTRON2_C4("[3, 4, 23, 3]");
const char detectron2_preprocess[] =
    "{\"channels\": \"BGR\", \"mean\": [103.53, 116.28, 123.675], \"std\": [1, 1, 1], "
    "\"short\": 800, \"long\": 1333, \"resize\": \"detectron2\"}";

/* scene_graph_benchmark sgg_configs/vgattr/vinvl_x152c4.yaml with the options that its README gives
 * for extracting features (NMS_FILTER 1, SCORE_THRESH 0.2, IGNORE_BOX_REGRESSION True) */
const char vinvl_config[] =
    "{\"conventions\": \"maskrcnn-benchmark\", \"blocks\": [3, 8, 36, 3], \"groups\": 32, "
    "\"stride_in_1x1\": false, \"caffe_pool\": false, \"roi_pool\": 14, \"roi_sampling\": 0, "
    "\"res5_stride\": 2, \"res5_dilation\": 1, \"feat_stride\": 16, \"anchor_base\": 16, "
    "\"anchor_ratios\": [0.5, 1, 2], \"anchor_scales\": [2, 4, 8, 16, 32], \"rpn_pre_nms\": 6000, "
    "\"rpn_post_nms\": 300, \"rpn_nms\": 0.7, \"rpn_min_size\": 0, \"class_nms\": 0.3, "
    "\"conf_threshold\": 0.2, \"min_boxes\": 10, \"max_boxes\": 100}";
const char vinvl_preprocess[] =
    "{\"channels\": \"BGR\", \"mean\": [103.53, 116.28, 123.675], \"std\": [1, 1, 1], "
    "\"short\": 600, \"long\": 1000, \"resize\": \"maskrcnn-benchmark\"}";
