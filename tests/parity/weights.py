"""pairmill model import: weight files that torch, pickle and numpy write, tensor for tensor.

Each network of torchvision gets random weights and random normalisation, is saved in every form that
people have on disk, and imported.  What comes out must be, bit for bit, numpy's folding in double
precision rounded once.  Which normalisation follows which convolution is not told by names here: the
modules are watched while the network runs.  The bottom-up-attention network, which torchvision does
not have, is written as Caffe's protobuf and with the names of its two ports.
"""
import collections
import glob
import json
import os
import pickle
import struct
import subprocess
import tempfile

import numpy as np
import torch
import torchvision

from figures import Figures

V = torchvision.models


# ---- networks ----

def fpn():
    """As it is built for its published weights, with frozen normalisation."""
    m = V.detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    m.backbone = V.detection.backbone_utils._resnet_fpn_extractor(
        V.resnet50(norm_layer=torchvision.ops.FrozenBatchNorm2d), 5)
    return m


NETWORKS = {  # name: (module, an input, eps)
    "resnet-50": (V.resnet50, (1, 3, 64, 64), 1e-5),
    "resnet-101": (V.resnet101, (1, 3, 64, 64), 1e-5),
    "resnet-152": (V.resnet152, (1, 3, 64, 64), 1e-5),
    "s3d": (V.video.s3d, (1, 3, 16, 224, 224), 1e-3),
    "r3d-18": (V.video.r3d_18, (1, 3, 4, 32, 32), 1e-5),
    "r2plus1d-18": (V.video.r2plus1d_18, (1, 3, 4, 32, 32), 1e-5),
    "frcnn-r50-fpn": (fpn, None, 0.0),  # COCO_V1 is loaded with overwrite_eps
    "frcnn-r50-fpn-v2": (
        lambda: V.detection.fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None), None,
        1e-5),
}


def is_norm(module):
    return isinstance(module, (torch.nn.modules.batchnorm._BatchNorm,
                               torchvision.ops.FrozenBatchNorm2d))


def randomise(network, seed):
    """Normalisations that do something; variances not near 0, as eps may be 0."""
    draw = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if is_norm(module):
            for name, low, high in (("weight", .5, 1.5), ("bias", -1, 1), ("running_mean", -1, 1),
                                    ("running_var", .5, 2)):
                tensor = getattr(module, name).data
                tensor.copy_(torch.rand(tensor.shape, generator=draw) * (high - low) + low)


def watch(network, shape):
    """{convolution's name: normalisation's name}: its input is the convolution's output."""
    names = {module: name for name, module in network.named_modules()}
    made, pairs, kept = {}, {}, []

    def after(module, inputs, output):
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Conv3d)):
            made[id(output)] = names[module]
            kept.append(output)  # or its id could come back
        elif is_norm(module):
            pairs[made[id(inputs[0])]] = names[module]

    hooks = [m.register_forward_hook(after) for m in network.modules()]
    with torch.no_grad():
        network.eval()
        network(torch.zeros(shape) if shape else [torch.zeros(3, 64, 96)])
    for hook in hooks:
        hook.remove()
    return pairs


def fold(tensors, convolution, norm, eps):
    """Takes the normalisation out of `tensors`, in double precision."""
    part = {kind: tensors.pop("%s.%s" % (norm, kind)).astype(np.float64)
            for kind in ("weight", "bias", "running_mean", "running_var")}
    weight = tensors[convolution + ".weight"].astype(np.float64)
    bias = tensors.get(convolution + ".bias", np.zeros(len(weight))).astype(np.float64)
    scale = part["weight"] / np.sqrt(part["running_var"] + eps)
    tensors[convolution + ".weight"] = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    tensors[convolution + ".bias"] = part["bias"] + (bias - part["running_mean"]) * scale


def plain(state):
    return {k: v.numpy() for k, v in state.items() if not k.endswith("num_batches_tracked")}


# ---- files ----

def write_safetensors(path, tensors):
    names = {np.dtype("f4"): "F32", np.dtype("f2"): "F16", np.dtype("f8"): "F64",
             np.dtype("i8"): "I64"}
    header, at = {}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": names[t.dtype], "shape": t.shape, "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(np.ascontiguousarray(t).tobytes())


def save_torch(legacy=False, **options):
    return lambda path, state: torch.save(state, path, _use_new_zipfile_serialization=not legacy,
                                          **options)


def save_pickle(protocol):
    def save(path, state):
        with open(path, "wb") as f:
            pickle.dump({"model": {k: v.numpy() for k, v in state.items()}, "__author__": "someone"},
                        f, protocol=protocol)
    return save


def save_checkpoint(legacy):
    """What a training script leaves: the optimizer's state, a schedule, DataParallel's prefix."""
    def save(path, state):
        some = list(state.values())[:20]
        torch.save({"epoch": 3, "best": 0.5, "args": __import__("argparse").Namespace(lr=0.1),
                    "optimizer": {"state": {i: {"exp_avg": torch.zeros_like(t)}
                                            for i, t in enumerate(some)}, "param_groups": []},
                    "lr_scheduler": {"milestones": collections.Counter([16, 22])},
                    "state_dict": collections.OrderedDict(("module." + k, torch.nn.Parameter(v)
                                                           if v.is_floating_point() else v)
                                                          for k, v in state.items())},
                   path, _use_new_zipfile_serialization=not legacy)
    return save


def save_views(legacy):
    """Every float tensor is a transposed view of one storage."""
    def save(path, state):
        floats = {k: v for k, v in state.items() if v.is_floating_point()}
        backwards = lambda v: v.permute(*reversed(range(v.dim())))
        whole = torch.cat([backwards(v).reshape(-1) for v in floats.values()])
        views, at = {}, 0
        for name, v in floats.items():
            views[name] = backwards(whole[at:at + v.numel()].view(*reversed(v.shape)))
            at += v.numel()
        torch.save(views, path, _use_new_zipfile_serialization=not legacy)
    return save


FORMS = {
    "zip": save_torch(),
    "legacy": save_torch(legacy=True),
    "zip, pickle protocol 4": save_torch(pickle_protocol=4),
    "legacy, pickle protocol 4": save_torch(legacy=True, pickle_protocol=4),
    "checkpoint": save_checkpoint(False),
    "legacy checkpoint": save_checkpoint(True),
    "pkl, protocol 2": save_pickle(2),
    "pkl, protocol 3": save_pickle(3),
    "pkl, protocol 4": save_pickle(4),
    "pkl, protocol 5": save_pickle(5),
    "safetensors": lambda path, state: write_safetensors(path, {k: v.numpy() for k, v in state.items()}),
}


# ---- comparing ----

def read_safetensors(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    header.pop("__metadata__", None)
    return {name: np.frombuffer(data[slice(*t["data_offsets"])], "<f4").reshape(t["shape"])
            for name, t in header.items()}


def import_file(program, path, arch, extra=(), keep=False):
    """The imported tensors, or the program's sentence."""
    out = path + ".safetensors"
    done = subprocess.run([program, "model", "import", path, "-o", out, "--arch", arch, *extra],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        return done.stderr.strip()
    tensors = read_safetensors(out)
    if not keep:
        os.unlink(out)
    return tensors


def compare(figures, what, got, want):
    """Bit for bit; each tensor that is missing, extra or different counts."""
    if isinstance(got, str):
        figures.fail("import", what, got)
        return
    wrong = [k for k in want if k not in got or got[k].shape != want[k].shape or
             got[k].tobytes() != want[k].astype(np.float32).tobytes()]
    wrong += [k for k in got if k not in want]
    figures.add("tensors that differ", len(wrong), 0, "%s: %s" % (what, wrong[:3]))


def check_network(figures, program, folder, arch, forms):
    build, shape, eps = NETWORKS[arch]
    torch.manual_seed(1)
    network = build()
    randomise(network, 2)
    want = plain(network.state_dict())
    for convolution, norm in watch(network, shape).items():
        fold(want, convolution, norm, eps)
    path = os.path.join(folder, "weights")
    for form in forms:
        FORMS[form](path, network.state_dict())
        compare(figures, "%s, %s" % (arch, form), import_file(program, path, arch), want)
    return network, want


def check_types(figures, program, folder):
    """Half, bfloat16 and double weights; transposed views of one storage."""
    build, shape, eps = NETWORKS["s3d"]
    network = build()
    randomise(network, 3)
    path = os.path.join(folder, "weights")
    pairs = watch(network, shape)
    for name, change, save in (
            ("half", lambda v: v.half(), save_torch()),
            ("bfloat16", lambda v: v.bfloat16(), save_torch()),
            ("double", lambda v: v.double() * (1 + 1e-9), save_torch()),
            ("legacy half", lambda v: v.half(), save_torch(legacy=True)),
            ("views", lambda v: v, save_views(legacy=False)),
            ("legacy views", lambda v: v, save_views(legacy=True))):
        state = {k: change(v) if v.is_floating_point() else v for k, v in network.state_dict().items()}
        want = plain({k: v.double() if v.dtype == torch.bfloat16 else v for k, v in state.items()})
        for convolution, norm in pairs.items():
            fold(want, convolution, norm, eps)
        save(path, state)
        compare(figures, "s3d, " + name, import_file(program, path, "s3d"), want)


def check_old_names(figures, program, folder, network, want):
    """The spelling of torchvision before 0.13, which its published file still has."""
    state = {k.replace(".0.weight", ".weight").replace(".0.bias", ".bias")
             if k.startswith("backbone.fpn.") else k.replace("conv.0.0.", "conv."): v
             for k, v in network.state_dict().items()}
    path = os.path.join(folder, "weights")
    for form in ("zip", "legacy"):
        FORMS[form](path, state)
        compare(figures, "frcnn-r50-fpn, old names, " + form,
                import_file(program, path, "frcnn-r50-fpn"), want)


def check_names(figures, program, folder, network):
    """The classes that torchvision names, background left out."""
    path = os.path.join(folder, "weights")
    torch.save(network.state_dict(), path)
    import_file(program, path, "frcnn-r50-fpn", keep=True)
    with open(path + ".safetensors", "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
    names = json.loads(header["__metadata__"]["objects"])
    want = V.detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"][1:]
    figures.add("class names", names != want, 0, "frcnn-r50-fpn")


# ---- bottom-up-attention ----

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


def butd_blocks():
    """(Caffe's block, the ports' block, in, narrow) of every bottleneck."""
    width = 64
    for stage, count, narrow in ((2, 3, 64), (3, 4, 128), (4, 23, 256), (5, 3, 512)):
        for i in range(count):
            letter = "b%d" % i if stage in (3, 4) and i else "abc"[i]
            where = "roi_heads" if stage == 5 else "backbone"
            yield "res%d%s" % (stage, letter), "%s.res%d.%d" % (where, stage, i), width, narrow
            width = 4 * narrow


def butd_layers():
    """(Caffe's name, the ports' name, weight's shape, normalised) of every layer."""
    yield "conv1", "backbone.stem.conv1", (64, 3, 7, 7), True
    for caffe, port, width, narrow in butd_blocks():
        if width != 4 * narrow:
            yield caffe + "_branch1", port + ".shortcut", (4 * narrow, width, 1, 1), True
        yield caffe + "_branch2a", port + ".conv1", (narrow, width, 1, 1), True
        yield caffe + "_branch2b", port + ".conv2", (narrow, narrow, 3, 3), True
        yield caffe + "_branch2c", port + ".conv3", (4 * narrow, narrow, 1, 1), True
    rpn, box = "proposal_generator.rpn_head.", "roi_heads.box_predictor."
    yield "rpn_conv/3x3", rpn + "conv", (512, 1024, 3, 3), False
    yield "rpn_cls_score", rpn + "objectness_logits", (24, 512, 1, 1), False
    yield "rpn_bbox_pred", rpn + "anchor_deltas", (48, 512, 1, 1), False
    yield "cls_score", box + "cls_score", (1601, 2048), False
    yield "bbox_pred", box + "bbox_pred", (6404, 2048), False
    yield "cls_embedding", box + "cls_embed", (1601, 256), None  # no bias
    yield "fc_attr", box + "attr_linear1", (512, 2304), False
    yield "attr_score", box + "attr_linear2", (401, 512), False


def draw_butd():
    """{Caffe's name: its weight, and bias or normalisation}; and what is wanted of it."""
    draw = np.random.default_rng(5)
    weights, want = {}, {}
    for caffe, port, shape, normalised in butd_layers():
        parts = {"weight": draw.standard_normal(shape, np.float32)}
        want[caffe + ".weight"] = parts["weight"]
        if normalised:
            for kind, low, high in (("gamma", .5, 1.5), ("beta", -1, 1), ("mean", -1, 1), ("var", .5, 2)):
                parts[kind] = draw.uniform(low, high, shape[0]).astype(np.float32)
        elif normalised is not None:
            parts["bias"] = want[caffe + ".bias"] = draw.standard_normal(shape[0], np.float32)
        weights[caffe] = parts
    return weights, want


def butd_norm(caffe):
    rest = caffe[3:] if caffe.startswith("res") else "_" + caffe
    return "bn" + rest, "scale" + rest


def folded_butd(weights, want, factor):
    """Caffe keeps sums: mean and variance are what is stored, divided by the factor."""
    want = dict(want)
    for caffe, p in weights.items():
        if "gamma" not in p:
            continue
        one = 1 / np.float64(factor)
        scale = p["gamma"].astype(np.float64) / np.sqrt(one * p["var"].astype(np.float64) + 1e-5)
        shape = (-1,) + (1,) * (p["weight"].ndim - 1)
        want[caffe + ".weight"] = p["weight"].astype(np.float64) * scale.reshape(shape)
        want[caffe + ".bias"] = p["beta"].astype(np.float64) - one * p["mean"].astype(np.float64) * scale
    return want


def write_caffemodel(path, weights, factor):
    with open(path, "wb") as f:
        f.write(field(1, b"VGG_ResNet"))
        for caffe, p in weights.items():
            kind = "Convolution" if p["weight"].ndim == 4 else "InnerProduct"
            f.write(caffe_layer(caffe, kind, [p["weight"]] + [p[k] for k in ("bias",) if k in p]))
            if "gamma" in p:
                bn, scale = butd_norm(caffe)
                f.write(caffe_layer(bn, "BatchNorm", [p["mean"], p["var"], np.array([factor])]))
                f.write(caffe_layer(scale, "Scale", [p["gamma"], p["beta"]]))


def port_state(weights):
    state = collections.OrderedDict()
    for caffe, port, _, _ in butd_layers():
        p = weights[caffe]
        state[port + ".weight"] = p["weight"]
        if "bias" in p:
            state[port + ".bias"] = p["bias"]
        for kind, ours in (("weight", "gamma"), ("bias", "beta"), ("running_mean", "mean"),
                           ("running_var", "var")):
            if ours in p:
                state["%s.norm.%s" % (port, kind)] = p[ours]
    state["proposal_generator.anchor_generator.cell_anchors.0"] = np.zeros((12, 4), np.float32)
    return state


def check_butd(figures, program, folder):
    weights, want = draw_butd()
    path = os.path.join(folder, "weights")
    vocabularies = []
    for kind, n in (("objects", 1600), ("attributes", 400)):
        names = os.path.join(folder, kind)
        with open(names, "w") as f:
            f.write("\n".join("%s %d" % (kind, i) for i in range(n)))
        vocabularies += ["--" + kind, names]
    run = lambda: import_file(program, path, "butd-r101-c4", vocabularies)
    for factor in (1.0, 999.98236):
        write_caffemodel(path, weights, np.float32(factor))
        compare(figures, "butd, caffemodel / %g" % factor, run(),
                folded_butd(weights, want, np.float32(factor)))
    folded = folded_butd(weights, want, 1)
    state = port_state(weights)
    torch.save({"model": {k: torch.from_numpy(v) for k, v in state.items()}}, path)
    compare(figures, "butd, MILVLG's names", run(), folded)
    with open(path, "wb") as f:
        pickle.dump({"model": state, "__author__": "someone", "matching_heuristics": True}, f, 2)
    compare(figures, "butd, pkl", run(), folded)


# ---- published files ----

def read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def read_fields(data):
    """(number, value) of every field of a protobuf message."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        else:
            n, at = read_varint(data, at) if key & 7 == 2 else ({1: 8, 5: 4}[key & 7], at)
            value, at = data[at:at + n], at + n
        yield key >> 3, value


def read_caffemodel(path):
    """{layer.weight or layer.bias: array}, as caffe.proto says."""
    tensors = {}
    for number, layer in read_fields(open(path, "rb").read()):
        fields = list(read_fields(layer)) if number == 100 else []
        blobs = [dict(read_fields(value)) for n, value in fields if n == 7]
        for kind, blob in zip(("weight", "bias"), blobs):
            packed, shape, at = dict(read_fields(blob[7]))[1], [], 0
            while at < len(packed):
                n, at = read_varint(packed, at)
                shape.append(n)
            tensors["%s.%s" % (dict(fields)[1].decode(), kind)] = \
                np.frombuffer(blob[5], "<f4").reshape(shape)
    return tensors


def list_tensors(program, path):
    """{name: (shape, least, largest, mean)} by `pairmill model tensors`."""
    text = subprocess.run([program, "model", "tensors", path], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    return {r[0]: ([int(n) for n in r[2].split("x")],) + tuple(map(float, r[3:])) for r in rows}


def check_published(figures, program):
    """Real files, where they are somewhere in $PAIRMILL_DATA."""
    data = os.environ.get("PAIRMILL_DATA", "no data")
    for name in ("facenet_pnet_legacy.pt", "mtcnn_det1.caffemodel", "mtcnn_det2.caffemodel"):
        path = next(glob.iglob(os.path.join(data, "**", name), recursive=True), None)
        if not path:
            print("note: %s is not in $PAIRMILL_DATA, so it is not read" % name)
            continue
        want = read_caffemodel(path) if name.endswith(".caffemodel") else \
            {k: v.numpy() for k, v in torch.load(path, map_location="cpu").items()}
        got = list_tensors(program, path)
        figures.add("published tensors", len(set(got) ^ set(want)), 0, name)
        for key in set(got) & set(want):
            w, (shape, least, largest, mean) = want[key], got[key]
            where = "%s: %s" % (name, key)
            figures.add("published shapes", shape != list(w.shape), 0, where)
            figures.add("published least, largest",
                        [np.float32(least) - w.min(), np.float32(largest) - w.max()], 0, where)
            figures.add("published means", mean - w.astype(np.float64).mean(), 1e-8, where)


# ---- all of it ----

def run(program, model=None, images=None):
    """Returns (passed, failed)."""
    torch.set_num_threads(1)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        for arch in NETWORKS:
            forms = FORMS if arch == "s3d" else ("legacy",) if arch in ("resnet-101", "resnet-152") \
                else ("zip", "legacy")
            network, want = check_network(figures, program, folder, arch, forms)
            if arch == "frcnn-r50-fpn":
                check_old_names(figures, program, folder, network, want)
                check_names(figures, program, folder, network)
        check_types(figures, program, folder)
        check_butd(figures, program, folder)
    check_published(figures, program)
    return figures.report("weights")
