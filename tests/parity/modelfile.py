"""Model files for the checks: a network's state dict, folded and written as pairmill reads it."""
import json

import numpy as np


def fold(state, eps):
    """{name: float32 array} of a torch state dict: each batch normalisation goes into the convolution
    before it.  Names follow torchvision (bnK after convK, N.1 after N.0), detectron2 (X.norm after X)
    and maskrcnn-benchmark (both of torchvision's)."""
    tensors = {}
    state = {k: v.detach().double().numpy() for k, v in state.items()}
    norms = [k[:-len(".running_var")] for k in state if k.endswith(".running_var")]
    by_conv = {convolution_of(norm): norm for norm in norms}
    for key, value in state.items():
        layer, kind = key.rsplit(".", 1)
        if layer in norms:
            continue
        if kind == "weight" and layer in by_conv:
            norm = by_conv[layer]
            factor = state[norm + ".weight"] / np.sqrt(state[norm + ".running_var"] + eps)
            tensors[layer + ".bias"] = state[norm + ".bias"] - state[norm + ".running_mean"] * factor
            value = value * factor.reshape(-1, *[1] * (value.ndim - 1))
        tensors[key] = value
    return {k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()}


def convolution_of(norm):
    layer, last = norm.rsplit(".", 1)
    if last == "norm":
        return layer
    if last.startswith("bn"):
        return "%s.conv%s" % (layer, last[2:])
    return "%s.%d" % (layer, int(last) - 1)


def write_safetensors(path, tensors, metadata):
    header, at = {"__metadata__": metadata}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": "F32", "shape": t.shape, "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for t in tensors.values():
            f.write(t.tobytes())


def write_model(path, tensors, architecture, config, preprocess, objects, attributes=()):
    write_safetensors(path, tensors, {
        "format": "pairmill-model/1", "architecture": architecture,
        "config": json.dumps(config), "preprocess": json.dumps(preprocess),
        "objects": json.dumps(list(objects)), "attributes": json.dumps(list(attributes))})
