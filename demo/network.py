"""The detector as a torch module for training: the graph of model.py with
batch normalisation beside each convolution, and its folding into plain
convolutions named by Caffe's layers."""
import json

import torch
import torch.nn as nn
import torch.nn.functional as F

import model

CONFIG = {
    "blocks": [2, 2, 3, 2], "stride_in_1x1": True, "caffe_pool": True, "roi_pool": 7,
    "res5_dilation": 1, "feat_stride": 16, "anchor_base": 16,
    "anchor_ratios": [0.5, 1, 2], "anchor_scales": [2, 3, 5, 8],
    "rpn_pre_nms": 2000, "rpn_post_nms": 100, "rpn_nms": 0.7, "rpn_min_size": 8,
    "class_nms": 0.3, "conf_threshold": 0.2, "min_boxes": 10, "max_boxes": 100,
}
PREPROCESS = {
    "channels": "BGR", "mean": [102.9801, 115.9465, 122.7717], "std": [1, 1, 1],
    "short": 240, "long": 400, "resize": "caffe",
}
MIDDLE = (16, 32, 64, 128)          # the 3x3 width of res2..res5
OUTER = (64, 128, 256, 512)         # their output width; the last is D
STEM, RPN, EMBEDDING, ATTRIBUTE = 32, 128, 64, 128


class Network(nn.Module):
    """Modules are keyed by Caffe's layer name, dots and slashes replaced by '_'."""

    def __init__(self, objects, attributes):
        super().__init__()
        self.layers = nn.ModuleDict()
        self.norms = nn.ModuleDict()
        self.names = {}
        anchors = len(CONFIG["anchor_ratios"]) * len(CONFIG["anchor_scales"])
        self.add_conv("conv1", 3, STEM, 7)
        inside = STEM
        for i, count in enumerate(CONFIG["blocks"]):
            for b in range(count):
                self.add_block("res%d%s" % (i + 2, chr(ord("a") + b)),
                               inside, MIDDLE[i], OUTER[i], b == 0)
                inside = OUTER[i]
        self.add("rpn_conv/3x3", nn.Conv2d(OUTER[2], RPN, 3), 0.02)
        self.add("rpn_cls_score", nn.Conv2d(RPN, 2 * anchors, 1), 0.01)
        self.add("rpn_bbox_pred", nn.Conv2d(RPN, 4 * anchors, 1), 0.01)
        self.add("cls_score", nn.Linear(OUTER[3], objects + 1), 0.01)
        self.add("bbox_pred", nn.Linear(OUTER[3], 4 * (objects + 1)), 0.001)
        self.add("cls_embedding", nn.Embedding(objects + 1, EMBEDDING), 0.1)
        self.add("fc_attr", nn.Linear(OUTER[3] + EMBEDDING, ATTRIBUTE), 0.03)
        self.add("attr_score", nn.Linear(ATTRIBUTE, attributes + 1), 0.03)

    def add(self, name, module, std):
        nn.init.normal_(module.weight, std=std)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)
        self.names[name] = name.replace("/", "_")
        self.layers[self.names[name]] = module

    def add_conv(self, name, inside, outside, size):
        module = nn.Conv2d(inside, outside, size, bias=False)
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.names[name] = name
        self.layers[name] = module
        self.norms[name] = nn.BatchNorm2d(outside)
        if name.endswith("_branch2c"):
            nn.init.constant_(self.norms[name].weight, 0.2)   # blocks begin near the identity

    def add_block(self, block, inside, middle, outside, first):
        if first:
            self.add_conv(block + "_branch1", inside, outside, 1)
        self.add_conv(block + "_branch2a", inside, middle, 1)
        self.add_conv(block + "_branch2b", middle, middle, 3)
        self.add_conv(block + "_branch2c", middle, outside, 1)

    def conv(self, name, x, stride=1, pad=0, dilation=1):
        layer = self.layers[self.names[name]]
        x = F.conv2d(x, layer.weight, layer.bias, stride, pad, dilation)
        return self.norms[name](x) if name in self.norms else x

    def features(self, images):
        """[N][3][H][W] -> [N][C4][h][w]"""
        return model.backbone(self.conv, images, CONFIG)

    def rpn(self, feature_map):
        """-> scores [N][h*w*A][2], deltas [N][h*w*A][4] in anchor order."""
        x = F.relu(self.conv("rpn_conv/3x3", feature_map, 1, 1))
        score, delta = self.conv("rpn_cls_score", x), self.conv("rpn_bbox_pred", x)
        n, a2, h, w = score.shape
        score = score.view(n, 2, a2 // 2, h, w).permute(0, 3, 4, 2, 1).reshape(n, -1, 2)
        delta = delta.view(n, a2 // 2, 4, h, w).permute(0, 3, 4, 1, 2).reshape(n, -1, 4)
        return score, delta

    def heads(self, pooled, label=None):
        """[R][C4][P][P] -> class scores, box deltas, attribute scores.

        The attribute head reads the embedding of `label`, the true class, in
        training, and of the arg-max class otherwise.
        """
        feature = model.roi_feature(self.conv, pooled, CONFIG)
        score = self.layers["cls_score"](feature)
        label = score.argmax(1) if label is None else label
        joined = torch.cat([feature, self.layers["cls_embedding"](label)], 1)
        attribute = self.layers["attr_score"](F.relu(self.layers["fc_attr"](joined)))
        return score, self.layers["bbox_pred"](feature), attribute

    def folded(self, rpn_std, box_std):
        """{Caffe name: float32 array} with normalisation and target stds folded in."""
        tensors = {}
        for name, key in self.names.items():
            layer = self.layers[key]
            weight = layer.weight.detach().double()
            bias = getattr(layer, "bias", None)
            bias = None if bias is None else bias.detach().double()
            if name in self.norms:
                norm = self.norms[name]
                deviation = (norm.running_var.double() + norm.eps).sqrt()
                factor = norm.weight.detach().double() / deviation
                weight = weight * factor.view(-1, 1, 1, 1)
                bias = norm.bias.detach().double() - norm.running_mean.double() * factor
            std = {"rpn_bbox_pred": rpn_std, "bbox_pred": box_std}.get(name)
            if std is not None:
                factor = torch.tensor(std, dtype=torch.float64).repeat(len(bias) // 4)
                weight = weight * factor.view([-1] + [1] * (weight.dim() - 1))
                bias = bias * factor
            tensors[name + ".weight"] = weight.float().numpy()
            if bias is not None:
                tensors[name + ".bias"] = bias.float().numpy()
        return tensors


def metadata(objects, attributes, seed, trained_on, scores):
    """The file's string table (format pairmill-model/1)."""
    table = {
        "format": "pairmill-model/1", "architecture": "demo-c4",
        "config": json.dumps(CONFIG), "preprocess": json.dumps(PREPROCESS),
        "objects": json.dumps(objects), "attributes": json.dumps(attributes),
        "licence": "Apache-2.0", "trained_on": trained_on, "seed": str(seed),
    }
    table.update({key: str(value) for key, value in scores.items()})
    return table
