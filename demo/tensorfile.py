"""A small reader and writer for the safetensors format, in numpy.

The file is: u64 little-endian N, N bytes of JSON, then the tensors' bytes.
The JSON maps each name to {"dtype", "shape", "data_offsets": [begin, end]}
(offsets count from the end of the JSON), and "__metadata__" to strings.
The writer pads the JSON with spaces so that the data begins at a multiple of
64 bytes in the file, and orders tensors so that every one stays aligned as
far as the format (which allows no holes) permits.
"""
import json
import struct

import numpy as np

ALIGN = 64


def save(path, tensors, metadata):
    """Writes {name: float32 array} and {key: str}; all data C order, F32.

    The format allows no holes between tensors, so one whose size is no
    multiple of 64 bytes would misalign its successors: those go last,
    the ones with the largest power of two in their size first.
    """
    def alignment(name):
        nbytes = tensors[name].nbytes
        return min(nbytes & -nbytes, ALIGN)

    names = sorted(tensors, key=lambda name: (-alignment(name), name))
    header = {"__metadata__": {k: str(v) for k, v in sorted(metadata.items())}}
    offset = 0
    for name in names:
        array = tensors[name]
        header[name] = {"dtype": "F32", "shape": list(array.shape),
                        "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-(8 + len(text)) % ALIGN)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)))
        out.write(text)
        for name in names:
            out.write(np.ascontiguousarray(tensors[name], "<f4").tobytes())


def load(path):
    """Returns ({name: float32 array}, {key: str}) of a safetensors file."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] != "F32":
            raise ValueError("%s: only F32 is read, not %s" % (name, entry["dtype"]))
        begin, end = entry["data_offsets"]
        flat = np.frombuffer(data, "<f4", (end - begin) // 4, 8 + length + begin)
        tensors[name] = flat.reshape(entry["shape"]).copy()
    return tensors, metadata
