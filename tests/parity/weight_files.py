"""Importing weight files and comparing what came out, bit for bit."""
import json
import os
import struct
import subprocess

import numpy as np


def read_header(path):
    """The header, and where the numbers begin."""
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        return json.loads(f.read(n)), 8 + n


def read_safetensors(path):
    header, at = read_header(path)
    header.pop("__metadata__", None)
    data = np.memmap(path, np.uint8, "r", at)
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
    """Each tensor that is missing, extra or different counts; `want` is rounded once."""
    if isinstance(got, str):
        figures.fail("import", what, got)
        return
    wrong = [k for k in want if k not in got or got[k].shape != want[k].shape or
             got[k].tobytes() != want[k].astype(np.float32).tobytes()]
    wrong += [k for k in got if k not in want]
    figures.add("tensors that differ", len(wrong), 0, "%s: %s" % (what, wrong[:3]))
