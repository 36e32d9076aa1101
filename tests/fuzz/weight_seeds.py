#!/usr/bin/env python3
"""Writes a small weight file of each format into a folder, for the fuzzer to begin with.

    tests/fuzz/weight_seeds.py FOLDER

Needs nothing but Python: the names that pickles call are stand-ins, registered where torch and numpy
have theirs.
"""
import collections
import io
import json
import os
import pickle
import struct
import sys
import types
import zipfile


def stand_in(module, name):
    """Something that pickle writes as `module.name`."""
    parts = module.split(".")
    for i in range(len(parts)):
        sys.modules.setdefault(".".join(parts[:i + 1]), types.ModuleType(".".join(parts[:i + 1])))
    made = type(name, (), {})
    made.__module__, made.__qualname__ = module, name
    setattr(sys.modules[module], name, made)
    return made


REBUILD = stand_in("torch._utils", "_rebuild_tensor_v2")
PARAMETER = stand_in("torch._utils", "_rebuild_parameter")
STORAGE = stand_in("torch", "FloatStorage")
RECONSTRUCT = stand_in("numpy.core.multiarray", "_reconstruct")
FROM_BUFFER = stand_in("numpy.core.numeric", "_frombuffer")
NDARRAY = stand_in("numpy", "ndarray")
DTYPE = stand_in("numpy", "dtype")


class Call:
    """An object that is pickled as a call, with a state perhaps."""

    def __init__(self, callable, *arguments, state=None):
        self.reduced = (callable, arguments) if state is None else (callable, arguments, state)

    def __reduce__(self):
        return self.reduced


class Persistent:
    def __init__(self, *identity):
        self.identity = identity


class Pickler(pickle._Pickler):
    def persistent_id(self, value):
        return value.identity if isinstance(value, Persistent) else None


def dump(value, protocol=2):
    out = io.BytesIO()
    Pickler(out, protocol).dump(value)
    return out.getvalue()


NUMBERS = struct.pack("<6f", *range(6))


def tensor(*part):
    storage = Persistent("storage", STORAGE, "0", "cpu", 6, *part)
    return Call(REBUILD, storage, 0, (2, 3), (3, 1), False, {})


def checkpoint():
    return {"epoch": 3, "state_dict": {
        "module.conv1.weight": tensor(),
        "module.conv1.bias": Call(PARAMETER, tensor(), True, {})}}


def ndarray():
    dtype = Call(DTYPE, "f4", False, True, state=(3, "<", None, None, None, -1, -1, 0))
    return Call(RECONSTRUCT, NDARRAY, (0,), b"b", state=(1, (2, 3), dtype, False, NUMBERS))


def torch_zip():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("archive/data.pkl", dump(checkpoint()))
        z.writestr("archive/data/0", NUMBERS)
        z.writestr("archive/byteorder", "little")
    return out.getvalue()


def torch_legacy():
    parts = [0x1950a86a20f9469cfc6c, 1001, {"little_endian": True},
             {"conv1.weight": tensor(("view", 0, 6)), "conv1.bias": tensor(None)}, ["0"]]
    return b"".join(map(dump, parts)) + struct.pack("<Q", 6) + NUMBERS


def safetensors():
    header = json.dumps({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    return struct.pack("<Q", len(header)) + header + NUMBERS


def caffemodel():
    def field(number, payload):
        key = number << 3 | 2
        head = bytes([key & 127 | 128, key >> 7]) if key > 127 else bytes([key])
        return head + bytes([len(payload)]) + payload

    blob = field(7, field(7, field(1, bytes([2, 3]))) + field(5, NUMBERS))
    return field(1, b"net") + field(100, field(1, b"conv1") + field(2, b"Convolution") + blob)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    buffer = Call(FROM_BUFFER, NUMBERS, Call(DTYPE, "f4", False, True), (2, 3), "F")
    seeds = {"zip": torch_zip(), "legacy": torch_legacy(), "safetensors": safetensors(),
             "caffemodel": caffemodel(), "pkl5": dump({"a": buffer}, 5)}
    for protocol in (2, 3, 4):
        seeds["pkl%d" % protocol] = dump({"model": collections.OrderedDict(a=ndarray())}, protocol)
    for name, data in seeds.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)


if __name__ == "__main__":
    main()
