"""The demo detector's reference inference, in torch and numpy.

The network is the Bottom-Up Top-Down Faster R-CNN (a C4 ResNet with an
attribute head, peteanderson80/bottom-up-attention) with smaller widths, and
with the arithmetic of its Caffe graph everywhere. The C detector is compared
with this file, so every stage is written out plainly:

    image -> preprocess -> backbone -> RPN -> proposals -> RoI pooling -> res5
          -> mean = feature -> class, box and attribute heads -> detections

    python3 demo/model.py --out DIR IMAGE...    writes DIR/<stem>.npz each

Shapes: H, W of the network's input; h, w of the stride-16 map; A anchors a
position; R proposals; D feature size; K object classes, T attributes.
"""
import argparse
import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tensorfile

DEFAULT_WEIGHTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "model.safetensors")


# --- preprocessing ---------------------------------------------------------

def read_image(path):
    """Decodes a file to uint8 RGB [H][W][3]; libjpeg's default DCT and upsampling."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def network_scale(height, width, short, long):
    """The factor that brings the short side to `short`, the long one to at most `long`."""
    scale = float(short) / float(min(height, width))
    if np.round(scale * max(height, width)) > long:
        scale = float(long) / float(max(height, width))
    return scale


def resize_axis(size, scale):
    """One axis of OpenCV's bilinear resize: source index and weight of each output.

    The coordinate comes from 1/scale, not from the ratio of the two sizes.
    """
    out = int(np.round(size * scale))                    # cvRound: half to even
    x = ((np.arange(out) + 0.5) * (1.0 / scale) - 0.5).astype(np.float32)
    low = np.floor(x).astype(np.int64)
    weight = (x - low.astype(np.float32)).astype(np.float32)
    weight[low < 0] = 0
    low[low < 0] = 0
    weight[low >= size - 1] = 0
    low[low >= size - 1] = size - 1
    return low, weight


def resize_halve(image, out_h, out_w):
    """OpenCV executes an exact halving as an area mean; border cells average what exists."""
    h, w = image.shape[:2]
    total = np.zeros((out_h, out_w, image.shape[2]), np.float32)
    count = np.zeros((out_h, out_w, 1), np.float32)
    for dy in (0, 1):
        for dx in (0, 1):
            part = image[dy:h:2, dx:w:2][:out_h, :out_w]
            total[:part.shape[0], :part.shape[1]] += part
            count[:part.shape[0], :part.shape[1]] += 1
    return total / count


def resize(image, scale):
    """cv2.resize(fx=fy=scale, INTER_LINEAR) on float32 [H][W][C]."""
    if scale == 1.0:
        return image.copy()
    rows, row_weight = resize_axis(image.shape[0], scale)
    cols, col_weight = resize_axis(image.shape[1], scale)
    if 1.0 / scale == 2.0:
        return resize_halve(image, len(rows), len(cols))
    next_col = np.minimum(cols + 1, image.shape[1] - 1)
    next_row = np.minimum(rows + 1, image.shape[0] - 1)
    a = col_weight[None, :, None]
    b = row_weight[:, None, None]
    wide = image[:, cols] * (np.float32(1) - a) + image[:, next_col] * a
    return wide[rows] * (np.float32(1) - b) + wide[next_row] * b


def preprocess(rgb, settings):
    """uint8 RGB [H0][W0][3] -> (float32 tensor [1][3][H][W] in BGR, scale)."""
    bgr = rgb[:, :, ::-1].astype(np.float32)
    bgr = (bgr - np.array(settings["mean"])).astype(np.float32)
    scale = network_scale(bgr.shape[0], bgr.shape[1], settings["short"], settings["long"])
    net = resize(bgr, scale)
    return torch.from_numpy(np.ascontiguousarray(net.transpose(2, 0, 1)))[None], scale


# --- the graph, shared with training ---------------------------------------
# `conv(name, x, stride, pad, dilation)` applies a convolution with its batch
# normalisation folded in (inference) or beside it (training).

def bottleneck(conv, x, block, stride, first, dilation=1):
    """One ResNet block; the stride sits in the 1x1 convolutions."""
    shortcut = conv(block + "_branch1", x, stride, 0, 1) if first else x
    y = F.relu(conv(block + "_branch2a", x, stride, 0, 1))
    y = F.relu(conv(block + "_branch2b", y, 1, dilation, dilation))
    return F.relu(shortcut + conv(block + "_branch2c", y, 1, 0, 1))


def stage(conv, x, number, blocks, stride, dilation=1):
    """resN: `blocks` bottlenecks named resNa, resNb, ..."""
    for i in range(blocks):
        name = "res%d%s" % (number, chr(ord("a") + i))
        x = bottleneck(conv, x, name, stride if i == 0 else 1, i == 0, dilation)
    return x


def backbone(conv, x, config):
    """[N][3][H][W] -> [N][C4][h][w], the map that RPN and RoI pooling read."""
    x = F.relu(conv("conv1", x, 2, 3, 1))
    x = F.max_pool2d(x, 3, 2, 0, ceil_mode=True)         # Caffe: no padding, ceil
    x = stage(conv, x, 2, config["blocks"][0], 1)
    x = stage(conv, x, 3, config["blocks"][1], 2)
    return stage(conv, x, 4, config["blocks"][2], 2)


def roi_feature(conv, pooled, config):
    """[R][C4][P][P] -> [R][D]: res5, then the mean over P*P, the exported feature."""
    return stage(conv, pooled, 5, config["blocks"][3], 1, config["res5_dilation"]).mean((2, 3))


# --- anchors, boxes and suppression ----------------------------------------

def base_anchors(config):
    """Caffe's generate_anchors: [A][4], ratio-major, np.round half to even."""
    base = config["anchor_base"]
    centre = 0.5 * (base - 1)

    def centred(w, h):
        return [centre - 0.5 * (w - 1), centre - 0.5 * (h - 1),
                centre + 0.5 * (w - 1), centre + 0.5 * (h - 1)]

    anchors = []
    for ratio in config["anchor_ratios"]:
        w = np.round(np.sqrt(base * base / ratio))
        h = np.round(w * ratio)
        anchors += [centred(w * s, h * s) for s in config["anchor_scales"]]
    return np.array(anchors)


def all_anchors(config, h, w):
    """[h*w*A][4] float32, enumerated by row, column, anchor."""
    stride = config["feat_stride"]
    y, x = np.meshgrid(np.arange(h) * stride, np.arange(w) * stride, indexing="ij")
    shift = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4)
    return (shift + base_anchors(config)[None]).reshape(-1, 4).astype(np.float32)


def decode(boxes, deltas):
    """Caffe's bbox_transform_inv: widths count both ends, no clamp, no -1 at the far side.

    boxes [n][4], deltas [n][4*c] -> [n][4*c], float32
    """
    f = np.float32
    w = boxes[:, 2:3] - boxes[:, 0:1] + f(1)
    h = boxes[:, 3:4] - boxes[:, 1:2] + f(1)
    cx = boxes[:, 0:1] + f(0.5) * w
    cy = boxes[:, 1:2] + f(0.5) * h
    pcx = deltas[:, 0::4] * w + cx
    pcy = deltas[:, 1::4] * h + cy
    pw = np.exp(deltas[:, 2::4]) * w
    ph = np.exp(deltas[:, 3::4]) * h
    out = np.empty_like(deltas)
    out[:, 0::4] = pcx - f(0.5) * pw
    out[:, 1::4] = pcy - f(0.5) * ph
    out[:, 2::4] = pcx + f(0.5) * pw
    out[:, 3::4] = pcy + f(0.5) * ph
    return out


def clip(boxes, height, width):
    """Limits x to [0, width-1] and y to [0, height-1]; boxes [n][4*c]."""
    boxes[:, 0::2] = np.clip(boxes[:, 0::2], 0, width - 1)
    boxes[:, 1::2] = np.clip(boxes[:, 1::2], 0, height - 1)
    return boxes


def descending(scores):
    """Indexes by falling score; equal scores keep the lower index first."""
    return np.argsort(-scores, kind="stable")


def nms(boxes, scores, threshold, limit=None):
    """Greedy suppression as cpu_nms: +1 areas, `>=`; returns kept indexes by falling score."""
    order = descending(scores)
    x1, y1, x2, y2 = boxes[order].T
    area = (x2 - x1 + 1) * (y2 - y1 + 1)
    alive = np.ones(len(order), bool)
    keep = []
    for i in range(len(order)):
        if not alive[i]:
            continue
        keep.append(order[i])
        if limit is not None and len(keep) == limit:
            break
        w = np.maximum(0, np.minimum(x2[i], x2[i:]) - np.maximum(x1[i], x1[i:]) + 1)
        h = np.maximum(0, np.minimum(y2[i], y2[i:]) - np.maximum(y1[i], y1[i:]) + 1)
        overlap = w * h
        alive[i:] &= overlap / (area[i] + area[i:] - overlap) < threshold
    return np.array(keep, np.int64)


def proposals(config, fg, deltas, height, width, scale):
    """Caffe's ProposalLayer.

    fg [h*w*A] foreground scores, deltas [h*w*A][4], both in anchor order;
    returns rois [R][4] in network pixels and their scores [R].
    """
    anchors = all_anchors(config, *config["map_size"])
    boxes = clip(decode(anchors, deltas), height, width)
    least = np.float32(config["rpn_min_size"] * scale)
    fits = np.nonzero((boxes[:, 2] - boxes[:, 0] + 1 >= least) &
                      (boxes[:, 3] - boxes[:, 1] + 1 >= least))[0]
    boxes, fg = boxes[fits], fg[fits]
    best = descending(fg)[:config["rpn_pre_nms"]]
    boxes, fg = boxes[best], fg[best]
    keep = nms(boxes, fg, config["rpn_nms"], config["rpn_post_nms"])
    return boxes[keep], fg[keep]


def distinct_rois(rois, scale):
    """RoI pooling rounds corners to feature pixels, so neighbours often pool the same ones, and must have
    the same feature whatever a matrix product's rounding: returns the first RoI of each kind and, for
    every RoI, which of those stands for it."""
    corners = np.floor(rois * np.float32(scale) + np.float32(0.5)).astype(int)
    kinds = {}
    of = [kinds.setdefault(tuple(c), len(kinds)) for c in corners]
    return rois[[of.index(k) for k in range(len(kinds))]], of


# --- the detector ----------------------------------------------------------

class Detector:
    """The weights of a pairmill-model/1 file and its inference."""

    def __init__(self, path=DEFAULT_WEIGHTS):
        tensors, self.metadata = tensorfile.load(path)
        self.weights = {name: torch.from_numpy(array) for name, array in tensors.items()}
        self.config = json.loads(self.metadata["config"])
        self.settings = json.loads(self.metadata["preprocess"])
        self.objects = json.loads(self.metadata["objects"])
        self.attributes = json.loads(self.metadata["attributes"])

    def conv(self, name, x, stride=1, pad=0, dilation=1):
        return F.conv2d(x, self.weights[name + ".weight"], self.weights[name + ".bias"],
                        stride, pad, dilation)

    def linear(self, name, x):
        return F.linear(x, self.weights[name + ".weight"], self.weights[name + ".bias"])

    def propose(self, feature_map, height, width, scale):
        """[1][C4][h][w] -> rois [R][4] in network pixels, scores [R]."""
        x = F.relu(self.conv("rpn_conv/3x3", feature_map, 1, 1))
        score = self.conv("rpn_cls_score", x)[0]          # [2A][h][w]: background, then foreground
        delta = self.conv("rpn_bbox_pred", x)[0]          # [4A][h][w]
        a, (h, w) = score.shape[0] // 2, score.shape[1:]
        score = score.view(2, a, h, w)
        fg = score[1] - score[0]                          # [A][h][w] log-odds: the probability rounds to 1
        fg = fg.permute(1, 2, 0).reshape(-1).numpy()
        delta = delta.view(a, 4, h, w).permute(2, 3, 0, 1).reshape(-1, 4).numpy()
        config = dict(self.config, map_size=(h, w))
        return proposals(config, fg, delta, height, width, scale)

    def attribute_scores(self, feature, class_score):
        """feature [R][D], class_score [R][K+1] -> probabilities [R][T+1]; column 0 is none."""
        best = class_score.argmax(1)                      # may be 0, the background
        embedding = self.weights["cls_embedding.weight"][best]
        x = F.relu(self.linear("fc_attr", torch.cat([feature, embedding], 1)))
        return torch.softmax(self.linear("attr_score", x), 1)

    @torch.no_grad()
    def forward(self, rgb):
        """uint8 RGB [H0][W0][3] -> a dict of numpy arrays, one row a proposal:

        rois [R][4] network pixels, roi_boxes [R][4] image pixels (not
        regressed), rpn_score [R], features [R][D], cls_prob [R][K+1],
        attr_prob [R][T+1], class_boxes [R][4(K+1)] regressed, image pixels.
        """
        x, scale = preprocess(rgb, self.settings)
        height, width = x.shape[2:]
        feature_map = backbone(self.conv, x, self.config)
        rois, rpn_score = self.propose(feature_map, height, width, scale)
        distinct, of = distinct_rois(rois, 1.0 / self.config["feat_stride"])
        indexed = torch.from_numpy(np.pad(distinct, ((0, 0), (1, 0))))    # [R'][5], batch 0
        size = self.config["roi_pool"]
        pooled = torchvision.ops.roi_pool(feature_map, indexed, (size, size),
                                          1.0 / self.config["feat_stride"])
        feature = roi_feature(self.conv, pooled, self.config)
        class_score = self.linear("cls_score", feature)[of]
        roi_boxes = rois / np.float32(scale)
        class_boxes = decode(roi_boxes, self.linear("bbox_pred", feature)[of].numpy())
        feature = feature[of]
        return {
            "scale": scale, "net_size": np.array([height, width]),
            "rois": rois, "rpn_score": rpn_score, "roi_boxes": roi_boxes,
            "features": feature.numpy(),
            "cls_prob": torch.softmax(class_score, 1).numpy(),
            "attr_prob": self.attribute_scores(feature, class_score).numpy(),
            "class_boxes": clip(class_boxes, rgb.shape[0], rgb.shape[1]),
        }

    def regions(self, out):
        """The exported regions, as BUTD's generate_tsv.py, sorted by confidence.

        Each class suppresses the un-regressed boxes on its own; a proposal's
        confidence is the best score of a class in which it survived.
        """
        prob, boxes, config = out["cls_prob"], out["roi_boxes"], self.config
        conf = np.zeros(len(boxes), np.float64)
        for c in range(1, prob.shape[1]):
            keep = nms(boxes, prob[:, c], config["class_nms"])
            conf[keep] = np.maximum(conf[keep], prob[keep, c])
        count = int((conf >= config["conf_threshold"]).sum())
        count = min(max(count, config["min_boxes"]), config["max_boxes"], len(conf))
        keep = descending(conf)[:count]
        attr = out["attr_prob"]
        return {
            "roi_index": keep, "boxes": boxes[keep], "conf": conf[keep],
            "features": out["features"][keep], "cls_prob": prob[keep], "attr_prob": attr[keep],
            "object_ids": prob[keep, 1:].argmax(1), "object_conf": prob[keep, 1:].max(1),
            "attribute_ids": attr[keep, 1:].argmax(1), "attribute_conf": attr[keep, 1:].max(1),
        }

    def detections(self, out, nms_threshold=0.4, least=0.05):
        """Final detections for measuring: regressed boxes, suppression by class.

        Returns boxes [n][4] in image pixels, scores [n], object ids [n]
        (0 = first object, no background) and proposal indexes [n].
        """
        rows = []
        for c in range(1, out["cls_prob"].shape[1]):
            score = out["cls_prob"][:, c]
            likely = np.nonzero(score > least)[0]
            boxes = out["class_boxes"][likely, 4 * c:4 * c + 4]
            for i in nms(boxes, score[likely], nms_threshold):
                rows.append((boxes[i], score[likely[i]], c - 1, likely[i]))
        rows.sort(key=lambda row: -row[1])
        if not rows:
            return np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), np.zeros(0, int)
        boxes, scores, ids, index = zip(*rows)
        return np.array(boxes), np.array(scores), np.array(ids), np.array(index)


def export(detector, path, out_path):
    """Runs one image and writes what a comparison with the C program needs.

    `boxes conf object_ids attribute_ids features cls_prob attr_prob` have one
    row a region in exported order; `rois all_cls_prob all_features` one row a
    proposal in proposal order.
    """
    out = detector.forward(read_image(path))
    regions = detector.regions(out)
    np.savez(out_path, rois=out["rois"], rpn_score=out["rpn_score"], scale=out["scale"],
             net_size=out["net_size"], all_features=out["features"],
             all_cls_prob=out["cls_prob"], class_boxes=out["class_boxes"], **regions)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("images", nargs="+")
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
    parser.add_argument("--out", required=True, help="folder for one .npz an image")
    args = parser.parse_args()
    torch.set_num_threads(1)
    detector = Detector(args.weights)
    os.makedirs(args.out, exist_ok=True)
    for path in args.images:
        stem = os.path.splitext(os.path.basename(path))[0]
        export(detector, path, os.path.join(args.out, stem + ".npz"))


if __name__ == "__main__":
    main()
