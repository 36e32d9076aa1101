"""Faster R-CNN on C4, in double precision and written from the three programs' definitions:

    caffe        bottom-up attention's py-faster-rcnn
    detectron2   its model zoo's C4 networks
    maskrcnn     VinVL's, in scene_graph_benchmark's maskrcnn-benchmark

Weights are drawn while the network first runs: see Weights.
"""
import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image

LOG_1000_16 = np.log(1000 / 16)


class Weights:
    """Named tensors.  What is asked for and not there is drawn at random and scaled so that this
    input gives outputs of the deviation asked for: activations keep their size, and the last layers'
    outputs differ from region to region once what they have in common is taken off."""

    def __init__(self, seed=1):
        self.generator = torch.Generator().manual_seed(seed)
        self.tensors = {}

    def draw(self, shape):
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def layer(self, name, apply, shape, deviation, centred):
        if name + ".weight" not in self.tensors:
            weight = self.draw(shape)
            y = apply(weight, None)
            y = y.transpose(0, 1).flatten(1)
            middle = y.mean(1) if centred else torch.zeros_like(y[:, 0])
            factor = deviation / (y - middle[:, None]).std()
            bias = 0.1 * self.draw(shape[:1]) - middle * factor
            self.put(name + ".weight", weight * factor)
            self.put(name + ".bias", bias)
        return apply(self.tensors[name + ".weight"], self.tensors[name + ".bias"])

    def put(self, name, value):
        self.tensors[name] = value.float().double()

    def conv(self, name, x, out, kernel, stride=1, dilation=1, groups=1, pad=None, deviation=1.0,
             centred=False):
        pad = dilation * (kernel // 2) if pad is None else pad
        return self.layer(name, lambda w, b: F.conv2d(x, w, b, stride, pad, dilation, groups),
                          (out, x.shape[1] // groups, kernel, kernel), deviation, centred)

    def linear(self, name, x, out, deviation=1.0, centred=True):
        return self.layer(name, lambda w, b: F.linear(x, w, b), (out, x.shape[1]), deviation, centred)

    def embedding(self, name, index, rows, width):
        if name not in self.tensors:
            self.put(name, self.draw((rows, width)))
        return self.tensors[name][index]

    def numpy(self):
        return {k: np.ascontiguousarray(v.numpy(), np.float32) for k, v in self.tensors.items()}


# ---- names ----

def caffe_block(stage, block, butd):
    name = "res%d%s" % (stage, chr(ord("a") + block))
    if butd and block and stage in (3, 4):
        name = "res%db%d" % (stage, block)
    return [name + end for end in ("_branch1", "_branch2a", "_branch2b", "_branch2c")]


def detectron2_block(stage, block, butd):
    prefix = "roi_heads." if stage == 5 else "backbone."
    return ["%sres%d.%d.%s" % (prefix, stage, block, end)
            for end in ("shortcut", "conv1", "conv2", "conv3")]


def maskrcnn_block(stage, block, butd):
    prefix = "roi_heads.box.feature_extractor.head." if stage == 5 else "backbone.body."
    return ["%slayer%d.%d.%s" % (prefix, stage - 1, block, end)
            for end in ("downsample.0", "conv1", "conv2", "conv3")]


NAMES = {
    "caffe": dict(block=caffe_block, conv1="conv1", rpn="rpn_conv/3x3", score="rpn_cls_score",
                  delta="rpn_bbox_pred", cls="cls_score", box="bbox_pred", attribute=""),
    "detectron2": dict(block=detectron2_block, conv1="backbone.stem.conv1",
                       rpn="proposal_generator.rpn_head.conv",
                       score="proposal_generator.rpn_head.objectness_logits",
                       delta="proposal_generator.rpn_head.anchor_deltas",
                       cls="roi_heads.box_predictor.cls_score",
                       box="roi_heads.box_predictor.bbox_pred", attribute=None),
    "maskrcnn": dict(block=maskrcnn_block, conv1="backbone.body.stem.conv1", rpn="rpn.head.conv",
                     score="rpn.head.cls_logits", delta="rpn.head.bbox_pred",
                     cls="roi_heads.box.predictor.cls_score",
                     box="roi_heads.box.predictor.bbox_pred", attribute="attribute.predictor."),
}


# ---- image ----

def caffe_image(rgb, mean, short, long):
    """OpenCV's bilinear resize of floats: rounds sizes half to even and samples by 1 / scale."""
    h, w = rgb.shape[:2]
    scale = short / min(h, w)
    if np.round(scale * max(h, w)) > long:
        scale = long / max(h, w)
    x = rgb[:, :, ::-1].astype(np.float64) - mean
    for axis, n in ((1, w), (0, h)):
        at = ((np.arange(int(np.round(n * scale))) + 0.5) * (1 / scale) - 0.5).astype(np.float32)
        low = np.floor(at).astype(int)
        part = (at - low).astype(np.float64)
        part[(low < 0) | (low >= n - 1)] = 0
        low = np.clip(low, 0, n - 1)
        part = part.reshape(-1, 1) if axis == 1 else part.reshape(-1, 1, 1)
        x = np.take(x, low, axis) * (1 - part) + np.take(x, np.minimum(low + 1, n - 1), axis) * part
    return x, scale


def pil_image(rgb, mean, width, height):
    x = np.asarray(Image.fromarray(rgb).resize((width, height), Image.BILINEAR), np.float64)
    return x[:, :, ::-1] - mean


def detectron2_size(h, w, short, long):
    scale = short / min(h, w)
    new_h, new_w = (short, scale * w) if h < w else (scale * h, short)
    if max(new_h, new_w) > long:
        scale = long / max(new_h, new_w)
        new_h, new_w = new_h * scale, new_w * scale
    return int(new_h + 0.5), int(new_w + 0.5)


def maskrcnn_size(h, w, short, long):
    if max(h, w) / min(h, w) * short > long:
        short = int(round(long * min(h, w) / max(h, w)))
    if w < h:
        return int(short * h / w), short
    return short, int(short * w / h)


# ---- boxes ----

def caffe_anchors(base, ratios, scales):
    out = []
    for ratio in ratios:
        w = np.round(np.sqrt(base * base / ratio))
        h = np.round(w * ratio)
        for s in scales:
            half_w, half_h, centre = (w * s - 1) / 2, (h * s - 1) / 2, (base - 1) / 2
            out.append([centre - half_w, centre - half_h, centre + half_w, centre + half_h])
    return np.array(out)


def detectron2_anchors(sizes, ratios):
    out = []
    for size in sizes:
        for ratio in ratios:
            w = np.sqrt(size * size / ratio)
            out.append([-w / 2, -w * ratio / 2, w / 2, w * ratio / 2])
    return np.array(out)


def decode(boxes, deltas, plus, last, limit, weights=(1, 1, 1, 1)):
    d = deltas / np.array(weights)
    size = boxes[:, 2:] - boxes[:, :2] + plus
    centre = boxes[:, :2] + size / 2 + d[:, :2] * size
    half = size * np.exp(np.minimum(d[:, 2:], limit)) / 2
    return np.concatenate([centre - half, centre + half - last], 1)


def clip(boxes, width, height, plus):
    return np.clip(boxes, 0, [width - plus, height - plus] * 2)


def overlaps(a, b, plus):
    size = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]) + plus
    inside = np.maximum(size, 0).prod(-1)
    area_a = (a[..., 2:] - a[..., :2] + plus).prod(-1)
    area_b = (b[..., 2:] - b[..., :2] + plus).prod(-1)
    return inside / (area_a + area_b - inside)


def nms(boxes, suppresses, plus, limit):
    """Indices of the kept ones of boxes in falling order of score."""
    kept, alive = [], np.ones(len(boxes), bool)
    for i in range(len(boxes)):
        if alive[i]:
            kept.append(i)
            if len(kept) == limit:
                break
            alive[i:] &= ~suppresses(overlaps(boxes[i], boxes[i:], plus))
    return np.array(kept, int)


# ---- the network ----

class C4:
    """`kind` is a key of NAMES; `sizes` the widths: stem, narrow and wide of each stage, rpn, and the
    numbers of objects, attributes, embedding and hidden attribute layer; `config` and `preprocess`
    the model file's."""

    def __init__(self, kind, sizes, config, preprocess):
        self.kind, self.sizes, self.config, self.preprocess = kind, sizes, config, preprocess
        self.names = NAMES[kind]
        self.weights = Weights()

    def image(self, rgb):
        """[1][3][h][w], and the scale where it is Caffe's."""
        p = self.preprocess
        mean = np.array(p["mean"])
        if self.kind == "caffe":
            x, self.scale = caffe_image(rgb, mean, p["short"], p["long"])
        else:
            size = detectron2_size if self.kind == "detectron2" else maskrcnn_size
            h, w = size(*rgb.shape[:2], p["short"], p["long"])
            x, self.scale = pil_image(rgb, mean, w, h), 1.0
        self.original = rgb.shape[1], rgb.shape[0]
        self.net = x.shape[1], x.shape[0]
        return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))[None]

    def stage(self, x, number, stride, dilation):
        narrow, wide = self.sizes["stages"][number - 2]
        groups = self.config.get("groups", 1)
        for i in range(self.config["blocks"][number - 2]):
            names = self.names["block"](number, i, self.config.get("block_names") == "butd")
            s = stride if i == 0 else 1
            first, second = (s, 1) if self.config["stride_in_1x1"] else (1, s)
            y = F.relu(self.weights.conv(names[1], x, narrow, 1, first))
            y = F.relu(self.weights.conv(names[2], y, narrow, 3, second, dilation, groups))
            y = self.weights.conv(names[3], y, wide, 1, deviation=0.3)
            x = F.relu(y + (self.weights.conv(names[0], x, wide, 1, s) if i == 0 else x))
        return x

    def body(self, x):
        x = F.relu(self.weights.conv(self.names["conv1"], x, self.sizes["stem"], 7, 2, pad=3))
        x = F.max_pool2d(x, 3, 2, 0, ceil_mode=True) if self.config["caffe_pool"] else \
            F.max_pool2d(x, 3, 2, 1)
        for number in (2, 3, 4):
            x = self.stage(x, number, 1 if number == 2 else 2, 1)
        return x

    def anchors(self):
        c = self.config
        if self.kind == "detectron2":
            return detectron2_anchors(c["anchor_sizes"], c["anchor_ratios"])
        return caffe_anchors(c["anchor_base"], c["anchor_ratios"], c["anchor_scales"])

    def proposals(self, features):
        base = self.anchors()
        a = len(base)
        caffe = self.kind == "caffe"
        x = F.relu(self.weights.conv(self.names["rpn"], features, self.sizes["rpn"], 3))
        score = self.weights.conv(self.names["score"], x, 2 * a if caffe else a, 1, deviation=1.0,
                                  centred=True)[0].numpy()
        delta = self.weights.conv(self.names["delta"], x, 4 * a, 1, deviation=0.1,
                                  centred=True)[0].numpy()
        h, w = delta.shape[1:]
        rank = score[a:] - score[:a] if caffe else score
        rank = rank.transpose(1, 2, 0).reshape(-1)
        delta = delta.reshape(a, 4, h, w).transpose(2, 3, 0, 1).reshape(-1, 4)
        y, x = np.mgrid[0:h, 0:w] * 16
        boxes = (np.stack([x, y, x, y], -1)[:, :, None] + base).reshape(-1, 4)
        return self.choose_proposals(rank, boxes, delta)

    def choose_proposals(self, rank, anchors, delta):
        c = self.config
        plus = 0 if self.kind == "detectron2" else 1
        last = 1 if self.kind == "maskrcnn" else 0
        limit = np.inf if self.kind == "caffe" else LOG_1000_16
        boxes = clip(decode(anchors, delta, plus, last, limit), *self.net, plus)
        side = (boxes[:, 2:] - boxes[:, :2]).min(1) + plus
        if self.kind == "caffe":
            large = side >= np.float32(c["rpn_min_size"] * self.scale)
            boxes, rank = boxes[large], rank[large]
        order = np.argsort(-rank, kind="stable")[:c["rpn_pre_nms"]]
        boxes = boxes[order]
        if self.kind == "detectron2":
            boxes = boxes[side[order] > 0]
        if self.kind == "caffe":
            kept = nms(boxes, lambda o: o >= c["rpn_nms"], 1, c["rpn_post_nms"])
        else:
            kept = nms(boxes, lambda o: o > c["rpn_nms"], 0, c["rpn_post_nms"])
        return boxes[kept]

    def pool(self, features, rois):
        side = self.config["roi_pool"]
        boxes = torch.from_numpy(np.concatenate([np.zeros((len(rois), 1)), rois], 1))
        if self.kind == "caffe":  # its bins are those of single precision
            return torchvision.ops.roi_pool(features.float(), boxes.float(), side, 1 / 16).double()
        return torchvision.ops.roi_align(features, boxes, side, 1 / 16, 0, self.kind == "detectron2")

    def features(self, features, rois):
        out = []
        for some in np.array_split(rois, max(1, len(rois) // 16)):
            x = self.stage(self.pool(features, some), 5, self.config.get("res5_stride", 1),
                           self.config["res5_dilation"])
            out.append(x.mean((2, 3)))
        return torch.cat(out)

    def detect(self, rgb):
        with torch.no_grad():
            return self.regions(self.body(self.image(rgb)))

    def regions(self, body):
        rois = self.proposals(body)
        features = self.features(body, rois)
        objects = self.sizes["objects"]
        score = self.weights.linear(self.names["cls"], features, objects + 1, self.sizes["deviation"])
        prob = torch.softmax(score, 1).numpy()
        rows = objects if self.kind == "detectron2" else objects + 1
        delta = self.weights.linear(self.names["box"], features, 4 * rows,
                                    0.05 if self.kind == "caffe" else 0.5).numpy()
        if self.kind == "detectron2":
            found = self.class_boxes(rois, prob, delta)
        else:
            found = self.rated_proposals(rois, prob, delta)
            if self.sizes["attributes"]:
                self.attributes(features, score, found)
        found["features"] = features.numpy()[found.pop("roi")]
        return found

    def ratio(self):
        return np.array(self.original * 2) / np.array(self.net * 2)

    def class_boxes(self, rois, prob, delta):
        """detectron2's fast_rcnn_inference_single_image() and detector_postprocess()."""
        c = self.config
        k = prob.shape[1] - 1
        boxes = decode(np.repeat(rois, k, 0), delta.reshape(-1, 4), 0, 0, LOG_1000_16, (10, 10, 5, 5))
        boxes = clip(boxes, *self.net, 0)
        roi, label = np.nonzero(prob[:, :k] > c["conf_threshold"])
        boxes, scores = boxes.reshape(-1, k, 4)[roi, label], prob[roi, label]
        rank = np.empty(len(scores), np.float32)  # stands for the scores, so that none get tied
        rank[np.argsort(-scores, kind="stable")] = -np.arange(len(scores))
        kept = torchvision.ops.batched_nms(
            torch.from_numpy(boxes).float(), torch.from_numpy(rank), torch.from_numpy(label),
            c["class_nms"]).numpy()[:c["max_boxes"]]
        placed = clip(boxes[kept] * self.ratio(), *self.original, 0)
        full = (placed[:, 2:] > placed[:, :2]).all(1)
        kept, placed = kept[full], placed[full]
        return {"roi": roi[kept], "boxes": placed, "refined": placed, "conf": scores[kept],
                "object_ids": label[kept], "object_conf": scores[kept]}

    def rated_proposals(self, rois, prob, delta):
        """generate_tsv.py's get_detections_from_im(), or VinVL's filter_results_peter()."""
        c = self.config
        caffe = self.kind == "caffe"
        boxes = rois / self.scale
        weights = (1, 1, 1, 1) if caffe else (10, 10, 5, 5)
        overlap = overlaps(boxes[:, None], boxes[None], 1 if caffe else 0)
        suppresses = overlap >= c["class_nms"] if caffe else overlap > c["class_nms"]
        conf, by = np.zeros(len(rois)), np.zeros(len(rois), int)
        for label in range(1, prob.shape[1]):
            alive = np.ones(len(rois), bool)
            for i in np.argsort(-prob[:, label], kind="stable"):
                if alive[i]:
                    if prob[i, label] > conf[i]:
                        conf[i], by[i] = prob[i, label], label
                    alive &= ~suppresses[i]
        order = np.argsort(-conf, kind="stable")
        n = min(max((conf >= c["conf_threshold"]).sum(), c["min_boxes"]), c["max_boxes"], len(rois))
        chosen = order[:n]
        label = 1 + prob[:, 1:].argmax(1) if caffe else by
        if not caffe:
            chosen = chosen[conf[chosen] > 0]
        label = label[chosen]
        moved = decode(boxes[chosen], delta.reshape(len(rois), -1, 4)[chosen, label], 1,
                       0 if caffe else 1, np.inf if caffe else LOG_1000_16, weights)
        moved = clip(moved, *(self.original if caffe else self.net), 1)
        ratio = 1 if caffe else self.ratio()
        return {"roi": chosen, "boxes": boxes[chosen] * ratio, "refined": moved * ratio,
                "conf": conf[chosen], "object_ids": label - 1, "object_conf": prob[chosen, label]}

    def attributes(self, features, score, found):
        """Caffe's head asks with the best class, background included, VinVL's with the exported."""
        s, prefix = self.sizes, self.names["attribute"]
        label = torch.from_numpy(found["object_ids"] + 1)
        features, score = features[found["roi"]], score[found["roi"]]
        if self.kind == "caffe":
            label = score.argmax(1)
        embedded = self.weights.embedding(prefix + "cls_embedding.weight", label, s["objects"] + 1,
                                          s["embedding"])
        x = torch.cat([features, embedded], 1)
        x = F.relu(self.weights.linear(prefix + "fc_attr", x, s["hidden"], centred=False))
        x = self.weights.linear(prefix + "attr_score", x, s["attributes"] + 1, 2.0)
        prob = torch.softmax(x, 1).numpy()[:, 1:]
        found["attribute_ids"] = prob.argmax(1)
        found["attribute_conf"] = prob.max(1)
