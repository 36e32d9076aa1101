"""pairmill model import: weight files that torch, pickle and numpy write, tensor for tensor.

Each network of torchvision gets random weights and random normalisation, is saved in every form that
people have on disk, and imported.  What comes out must be, bit for bit, numpy's folding in double
precision rounded once.  Which normalisation follows which convolution is not told by names here: the
modules are watched while the network runs.  What torchvision does not have is in c4_weights.py.
"""
import collections
import glob
import json
import os
import pickle
import subprocess
import tempfile

import numpy as np
import torch
import torchvision

import c4_weights
from figures import Figures
from modelfile import write_safetensors
from weight_files import compare, import_file, read_header

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


# ---- checks ----

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


def imported_names(program, path, arch):
    """The classes of the model that is made of a file."""
    got = import_file(program, path, arch, keep=True)
    if isinstance(got, str):
        return got
    return json.loads(read_header(path + ".safetensors")[0]["__metadata__"]["objects"])


def check_names(figures, program, folder):
    """The classes that torchvision names, background left out; numbers for a fine-tuned network's."""
    path = os.path.join(folder, "weights")
    for arch, build, want in (
            ("frcnn-r50-fpn", fpn,
             V.detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"][1:]),
            ("s3d", lambda: V.video.s3d(num_classes=7), ["class %d" % i for i in range(7)])):
        torch.save(build().state_dict(), path)
        got = imported_names(program, path, arch)
        figures.add("class names", got != want, 0, "%s: %s" % (arch, got))


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
    """Real files, where they are somewhere in $PAIRMILL_TEST_DATA."""
    data = os.environ.get("PAIRMILL_TEST_DATA", "no data")
    for name in ("facenet_pnet_legacy.pt", "mtcnn_det1.caffemodel", "mtcnn_det2.caffemodel"):
        path = next(glob.iglob(os.path.join(data, "**", name), recursive=True), None)
        if not path:
            print("note: %s is not in $PAIRMILL_TEST_DATA, so it is not read" % name)
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
        check_names(figures, program, folder)
        check_types(figures, program, folder)
        c4_weights.check(figures, program, folder)
    check_published(figures, program)
    return figures.report("weights")
