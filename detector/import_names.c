#include "detector/import_names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_prefix(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Whether `name` is `last`, or ends with it after a dot. */
static bool ends_with(const char *name, const char *last)
{
    const size_t n = strlen(name);
    const size_t k = strlen(last);
    return n >= k && strcmp(name + n - k, last) == 0 && (n == k || name[n - k - 1] == '.');
}

bool import_drops(const char *name)
{
    return ends_with(name, "num_batches_tracked") || /* BatchNorm's counter */
           ends_with(name, "pixel_mean") ||          /* detectron2: the preprocessing has it */
           ends_with(name, "pixel_std") ||
           strstr(name, "anchor_generator.cell_anchors.") || /* the config has them */
           has_prefix(name, "text_module."); /* MIL-NCE's other half, which reads the captions */
}

/* ---- older spellings ---- */

/* torchvision before 0.13: one module instead of a Sequential around it
 * (feature_pyramid_network.py, rpn.py: _load_from_state_dict). */
static bool rename_torchvision(const char *name, char *out)
{
    static const char *const lists[] = {"backbone.fpn.inner_blocks.", "backbone.fpn.layer_blocks."};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const size_t n = strlen(lists[i]);
        if (has_prefix(name, lists[i]) && isdigit((unsigned char)name[n]) && name[n + 1] == '.' &&
            !strchr(name + n + 2, '.')) {
            snprintf(out, IMPORT_NAME_ROOM, "%s%c.0.%s", lists[i], name[n], name + n + 2);
            return true;
        }
    }
    static const char conv[] = "rpn.head.conv.";
    if (has_prefix(name, conv) && !strchr(name + sizeof conv - 1, '.')) {
        snprintf(out, IMPORT_NAME_ROOM, "%s0.0.%s", conv, name + sizeof conv - 1);
        return true;
    }
    return false;
}

/* "2.13.conv1.rest" of the ports' backbone -> "res2a_branch2a.rest" and the like: stages 3 and 4
 * name their blocks a, b1, b2, ..., the others a, b, c. */
static bool rename_block(const char *name, char *out)
{
    static const struct {
        const char *port;
        const char *caffe;
    } branches[] = {{"shortcut", "branch1"},
                    {"conv1", "branch2a"},
                    {"conv2", "branch2b"},
                    {"conv3", "branch2c"}};
    int stage;
    int block;
    int n = 0;
    if (sscanf(name, "%1d.%2d.%n", &stage, &block, &n) != 2 || n == 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof branches / sizeof *branches; i++) {
        const size_t k = strlen(branches[i].port);
        if (has_prefix(name + n, branches[i].port) && name[n + (int)k] == '.') {
            char letter[16] = "a";
            if ((stage == 3 || stage == 4) && block > 0) {
                snprintf(letter, sizeof letter, "b%d", block);
            } else {
                snprintf(letter, sizeof letter, "%c", 'a' + block % 26);
            }
            snprintf(out, IMPORT_NAME_ROOM, "res%d%s_%s%s", stage, letter, branches[i].caffe,
                     name + n + k);
            return true;
        }
    }
    return false;
}

/* MILVLG's port of the bottom-up-attention network, detectron2's names around Caffe's graph. */
static bool rename_port(const char *name, char *out)
{
    static const struct {
        const char *port;
        const char *caffe;
    } layers[] = {
        {"backbone.stem.conv1.", "conv1."},
        {"proposal_generator.rpn_head.conv.", "rpn_conv/3x3."},
        {"proposal_generator.rpn_head.objectness_logits.", "rpn_cls_score."},
        {"proposal_generator.rpn_head.anchor_deltas.", "rpn_bbox_pred."},
        {"roi_heads.box_predictor.cls_score.", "cls_score."},
        {"roi_heads.box_predictor.bbox_pred.", "bbox_pred."},
        {"roi_heads.box_predictor.cls_embed.", "cls_embedding."},
        {"roi_heads.box_predictor.cls_embedding.", "cls_embedding."},
        {"roi_heads.box_predictor.attr_linear1.", "fc_attr."},
        {"roi_heads.box_predictor.fc_attr.", "fc_attr."},
        {"roi_heads.box_predictor.attr_linear2.", "attr_score."},
        {"roi_heads.box_predictor.attr_score.", "attr_score."},
    };
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        if (has_prefix(name, layers[i].port)) {
            snprintf(out, IMPORT_NAME_ROOM, "%s%s", layers[i].caffe, name + strlen(layers[i].port));
            return true;
        }
    }
    static const char *const stages[] = {"backbone.res", "roi_heads.res"};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        if (has_prefix(name, stages[i]) && rename_block(name + strlen(stages[i]), out)) {
            return true;
        }
    }
    return false;
}

void import_rename(const char *architecture, const char *name, char *out)
{
    const bool renamed = strcmp(architecture, "butd-r101-c4") == 0   ? rename_port(name, out)
                         : has_prefix(architecture, "frcnn-r50-fpn") ? rename_torchvision(name, out)
                                                                     : false;
    if (!renamed) {
        snprintf(out, IMPORT_NAME_ROOM, "%s", name);
    }
}

bool import_twin(const char *name, char *out)
{
    static const char shared[] = "attribute.feature_extractor.";
    if (!has_prefix(name, shared)) {
        return false;
    }
    snprintf(out, IMPORT_NAME_ROOM, "roi_heads.box.feature_extractor.%s", name + sizeof shared - 1);
    return true;
}

/* ---- normalisation ---- */

/* Caffe's ResNets: "bn2a_branch1" and "scale2a_branch1" after "res2a_branch1", "bn_conv1" and
 * "scale_conv1" after "conv1". */
static bool caffe_norm(const char *norm, char *convolution, char *affine)
{
    if (!has_prefix(norm, "bn") || (norm[2] != '_' && !isdigit((unsigned char)norm[2]))) {
        return false;
    }
    snprintf(convolution, IMPORT_NAME_ROOM, "%s%s", norm[2] == '_' ? "" : "res",
             norm + 2 + (norm[2] == '_'));
    snprintf(affine, IMPORT_NAME_ROOM, "scale%s", norm + 2);
    return true;
}

bool import_norm_of(const char *norm, char *convolution, char *affine)
{
    const char *dot = strrchr(norm, '.');
    const char *last = dot ? dot + 1 : norm;
    const int head = (int)(last - norm);
    char *end;
    snprintf(affine, IMPORT_NAME_ROOM, "%s", norm);
    if (dot && strcmp(last, "norm") == 0) { /* detectron2 */
        snprintf(convolution, IMPORT_NAME_ROOM, "%.*s", head - 1, norm);
        return true;
    }
    if (has_prefix(last, "bn") && isdigit((unsigned char)last[2]) && !strchr(last, '_')) {
        snprintf(convolution, IMPORT_NAME_ROOM, "%.*sconv%s", head, norm, last + 2);
        return true;
    }
    const long index = strtol(last, &end, 10);
    if (dot && isdigit((unsigned char)*last) && *end == '\0' && index > 0) { /* a Sequential */
        snprintf(convolution, IMPORT_NAME_ROOM, "%.*s%ld", head, norm, index - 1);
        return true;
    }
    return caffe_norm(norm, convolution, affine);
}
