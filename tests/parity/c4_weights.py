"""Weight files of the C4 networks, which torchvision does not have, with the names and shapes of the
published ones: Caffe's bottom-up-attention and its port, detectron2's, VinVL's.
"""
import collections
import os
import pickle

import numpy as np
import torch

from weight_files import compare, import_file

NORM, BIAS, BARE = "norm", "bias", "bare"  # what a layer has beside its weight
Layer = collections.namedtuple("Layer", "name shape beside")


# ---- networks, by the names that pairmill keeps ----

def bottlenecks(blocks, groups=1, per_group=64):
    """(stage, block, part, shape) of every convolution; part 0 is the shortcut's."""
    width = 64
    for stage, count in zip((2, 3, 4, 5), blocks):
        narrow, wide = groups * per_group << stage - 2, 256 << stage - 2
        for block in range(count):
            if block == 0:
                yield stage, block, 0, (wide, width, 1, 1)
            yield stage, block, 1, (narrow, width, 1, 1)
            yield stage, block, 2, (narrow, narrow // groups, 3, 3)
            yield stage, block, 3, (wide, narrow, 1, 1)
            width = wide


def caffe_name(stage, block, part):
    letter = "b%d" % block if stage in (3, 4) and block else "abc"[block]
    return "res%d%s_%s" % (stage, letter, ("branch1", "branch2a", "branch2b", "branch2c")[part])


def detectron2_name(stage, block, part):
    return "%s.res%d.%d.%s" % ("roi_heads" if stage == 5 else "backbone", stage, block,
                               ("shortcut", "conv1", "conv2", "conv3")[part])


def vinvl_name(stage, block, part):
    where = "roi_heads.box.feature_extractor.head" if stage == 5 else "backbone.body"
    return "%s.layer%d.%d.%s" % (where, stage - 1, block,
                                 ("downsample.0", "conv1", "conv2", "conv3")[part])


def network(conv1, name, blocks, heads, **widths):
    yield Layer(conv1, (64, 3, 7, 7), NORM)
    for stage, block, part, shape in bottlenecks(blocks, **widths):
        yield Layer(name(stage, block, part), shape, NORM)
    yield from heads


def butd():
    return network("conv1", caffe_name, (3, 4, 23, 3), [
        Layer("rpn_conv/3x3", (512, 1024, 3, 3), BIAS),
        Layer("rpn_cls_score", (24, 512, 1, 1), BIAS),
        Layer("rpn_bbox_pred", (48, 512, 1, 1), BIAS),
        Layer("cls_score", (1601, 2048), BIAS),
        Layer("bbox_pred", (6404, 2048), BIAS),
        Layer("cls_embedding", (1601, 256), BARE),
        Layer("fc_attr", (512, 2304), BIAS),
        Layer("attr_score", (401, 512), BIAS)])


def detectron2():
    rpn, box = "proposal_generator.rpn_head.", "roi_heads.box_predictor."
    return network("backbone.stem.conv1", detectron2_name, (3, 4, 6, 3), [
        Layer(rpn + "conv", (1024, 1024, 3, 3), BIAS),
        Layer(rpn + "objectness_logits", (15, 1024, 1, 1), BIAS),
        Layer(rpn + "anchor_deltas", (60, 1024, 1, 1), BIAS),
        Layer(box + "cls_score", (81, 2048), BIAS),
        Layer(box + "bbox_pred", (320, 2048), BIAS)])


def vinvl():
    box, attribute = "roi_heads.box.predictor.", "attribute.predictor."
    return network("backbone.body.stem.conv1", vinvl_name, (3, 8, 36, 3), [
        Layer("rpn.head.conv", (1024, 1024, 3, 3), BIAS),
        Layer("rpn.head.cls_logits", (15, 1024, 1, 1), BIAS),
        Layer("rpn.head.bbox_pred", (60, 1024, 1, 1), BIAS),
        Layer(box + "cls_score", (1595, 2048), BIAS),
        Layer(box + "bbox_pred", (6380, 2048), BIAS),
        Layer(attribute + "cls_embedding", (1595, 256), BARE),
        Layer(attribute + "fc_attr", (512, 2304), BIAS),
        Layer(attribute + "attr_score", (525, 512), BIAS)], groups=32, per_group=8)


# ---- numbers ----

def draw(layers):
    """{layer's name: its weight, and bias or normalisation}"""
    random = np.random.default_rng(5)
    weights = {}
    for layer in layers:
        parts = weights[layer.name] = {"weight": random.standard_normal(layer.shape, np.float32)}
        if layer.beside == BIAS:
            parts["bias"] = random.standard_normal(layer.shape[0], np.float32)
        elif layer.beside == NORM:
            for kind, low, high in (("gamma", .5, 1.5), ("beta", -1, 1), ("mean", -1, 1), ("var", .5, 2)):
                parts[kind] = random.uniform(low, high, layer.shape[0]).astype(np.float32)
    return weights


def folded(weights, eps, factor=1):
    """What the import must give.  Caffe keeps sums, which are to be divided by the factor."""
    want, one = {}, 1 / np.float64(factor)
    for name, p in weights.items():
        want[name + ".weight"] = p["weight"]
        if "bias" in p:
            want[name + ".bias"] = p["bias"]
        if "gamma" in p:
            gamma, beta, mean, var = (p[k].astype(np.float64) for k in ("gamma", "beta", "mean", "var"))
            scale = gamma / np.sqrt(one * var + eps)
            want[name + ".weight"] = p["weight"].astype(np.float64) * scale.reshape(-1, 1, 1, 1)
            want[name + ".bias"] = beta - one * mean * scale
    return want


def state_dict(weights, norm, rename=lambda name: name):
    """`norm` gives a normalisation's name by its convolution's."""
    state = collections.OrderedDict()
    for name, p in weights.items():
        name = rename(name)
        for layer, kind, ours in ((name, "weight", "weight"), (name, "bias", "bias"),
                                  (norm(name), "weight", "gamma"), (norm(name), "bias", "beta"),
                                  (norm(name), "running_mean", "mean"), (norm(name), "running_var", "var")):
            if ours in p:
                state["%s.%s" % (layer, kind)] = p[ours]
    return state


def tensors(state):
    return collections.OrderedDict((k, torch.from_numpy(v)) for k, v in state.items())


# ---- Caffe's protobuf ----

def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def caffe_layer(name, kind, blobs):
    body = field(1, name.encode()) + field(2, kind.encode())
    for b in blobs:
        shape = field(7, field(1, b"".join(varint(n) for n in b.shape)))
        body += field(7, shape + field(5, b.astype("<f4").tobytes()))
    return field(100, body)


def write_caffemodel(path, weights, factor):
    with open(path, "wb") as f:
        f.write(field(1, b"VGG_ResNet"))
        for name, p in weights.items():
            kind = "Convolution" if p["weight"].ndim == 4 else "InnerProduct"
            f.write(caffe_layer(name, kind, [p[k] for k in ("weight", "bias") if k in p]))
            if "gamma" in p:
                rest = name[3:] if name.startswith("res") else "_" + name
                f.write(caffe_layer("bn" + rest, "BatchNorm", [p["mean"], p["var"], np.array([factor])]))
                f.write(caffe_layer("scale" + rest, "Scale", [p["gamma"], p["beta"]]))


# ---- checks ----

def vocabularies(folder, objects, attributes):
    options = []
    for kind, n in (("objects", objects), ("attributes", attributes)):
        path = os.path.join(folder, kind)
        with open(path, "w") as f:
            f.write("\n".join("%s %d" % (kind, i) for i in range(n)))
        options += ["--" + kind, path]
    return options


def port_name(name):
    """A Caffe layer's name in MILVLG's port."""
    rpn, box = "proposal_generator.rpn_head.", "roi_heads.box_predictor."
    heads = {"conv1": "backbone.stem.conv1", "rpn_conv/3x3": rpn + "conv",
             "rpn_cls_score": rpn + "objectness_logits", "rpn_bbox_pred": rpn + "anchor_deltas",
             "cls_score": box + "cls_score", "bbox_pred": box + "bbox_pred",
             "cls_embedding": box + "cls_embed", "fc_attr": box + "attr_linear1",
             "attr_score": box + "attr_linear2"}
    for stage, block, part, _ in bottlenecks((3, 4, 23, 3)):
        heads[caffe_name(stage, block, part)] = detectron2_name(stage, block, part)
    return heads[name]


def detectron2_norm(name):
    return name + ".norm"


def vinvl_norm(name):
    return name.replace("downsample.0", "downsample.1").replace(".conv", ".bn")


def check_butd(figures, program, folder):
    weights = draw(butd())
    path = os.path.join(folder, "weights")
    names = vocabularies(folder, 1600, 400)
    for factor in np.float32([1, 999.98236]):
        write_caffemodel(path, weights, factor)
        compare(figures, "butd, caffemodel / %g" % factor,
                import_file(program, path, "butd-r101-c4", names), folded(weights, 1e-5, factor))
    state = state_dict(weights, detectron2_norm, port_name)
    state["proposal_generator.anchor_generator.cell_anchors.0"] = np.zeros((12, 4), np.float32)
    torch.save({"model": tensors(state)}, path)
    compare(figures, "butd, the port's names", import_file(program, path, "butd-r101-c4", names),
            folded(weights, 1e-5))


def check_detectron2(figures, program, folder):
    weights = draw(detectron2())
    path = os.path.join(folder, "weights")
    state = state_dict(weights, detectron2_norm)
    state["pixel_mean"] = state["pixel_std"] = np.ones((3, 1, 1), np.float32)
    with open(path, "wb") as f:
        pickle.dump({"model": state, "__author__": "Detectron2 Model Zoo"}, f, protocol=2)
    compare(figures, "detectron2, pkl", import_file(program, path, "frcnn-r50-c4"),
            folded(weights, 1e-5))
    torch.save({"model": tensors(state), "optimizer": {}, "iteration": 269999}, path)
    compare(figures, "detectron2, pth", import_file(program, path, "frcnn-r50-c4"),
            folded(weights, 1e-5))


def check_vinvl(figures, program, folder):
    """The attribute head's extractor is the box head's, under a second name."""
    weights = draw(vinvl())
    path = os.path.join(folder, "weights")
    state = tensors(state_dict(weights, vinvl_norm))
    for name in list(state):
        if name.startswith("roi_heads.box.feature_extractor."):
            state[name.replace("roi_heads.box.", "attribute.")] = state[name]
    state["rpn.anchor_generator.cell_anchors.0"] = torch.zeros(15, 4)
    torch.save({"model": {"module." + k: v for k, v in state.items()}, "iteration": 1}, path)
    compare(figures, "VinVL", import_file(program, path, "frcnn-x152-c4", vocabularies(folder, 1594, 524)),
            folded(weights, 0))


def check(figures, program, folder):
    check_butd(figures, program, folder)
    check_detectron2(figures, program, folder)
    check_vinvl(figures, program, folder)
