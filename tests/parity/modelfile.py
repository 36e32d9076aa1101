"""Model files for the checks: written here, or imported and then changed."""
import json
import os
import subprocess

import numpy as np

TYPES = {np.dtype("f4"): "F32", np.dtype("f2"): "F16", np.dtype("f8"): "F64", np.dtype("i8"): "I64"}


def write_safetensors(path, tensors, metadata=None):
    header, at = {"__metadata__": metadata} if metadata else {}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": TYPES[t.dtype], "shape": t.shape, "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    write_file(path, header, (np.ascontiguousarray(t).tobytes() for t in tensors.values()))


def write_file(path, header, blocks):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for block in blocks:
            f.write(block)


def write_model(path, tensors, architecture, config, preprocess, objects, attributes=()):
    write_safetensors(path, tensors, {
        "format": "pairmill-model/1", "architecture": architecture,
        "config": json.dumps(config), "preprocess": json.dumps(preprocess),
        "objects": json.dumps(list(objects)), "attributes": json.dumps(list(attributes))})


def import_model(program, path, architecture, **preprocess):
    """The path of the model made of a weight file, with some of its preprocessing changed."""
    model = os.path.splitext(path)[0] + ".safetensors"
    subprocess.run([program, "model", "import", path, "-o", model, "--arch", architecture],
                   stdout=subprocess.DEVNULL, check=True)
    with open(model, "rb") as f:
        header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        data = f.read()
    metadata = header["__metadata__"]
    metadata["preprocess"] = json.dumps(dict(json.loads(metadata["preprocess"]), **preprocess))
    write_file(model, header, [data])
    return model
