"""Features that the original network published for ten COCO images, where they are at hand: the file
train2014_obj36.tsv with its photos, anywhere in $PAIRMILL_TEST_DATA.

The weights are not at hand, so numbers cannot be compared; what the network's rules make of any numbers
can.  A small network with the published one's configuration sees the same photos, and both sets of
regions must obey the same rules.
"""
import base64
import glob
import os
import re
import subprocess
import tempfile

import numpy as np

from c4 import butd
from c4_reference import overlaps
from figures import Figures, detect_lines
from modelfile import write_model
from photos import read_rgb

NARROW = [(8, 32), (8, 32), (8, 32), (8, 32)]
FORMS = {3: "<i8", 4: "<f4", 5: "<i8", 6: "<f4", 8: "<f4", 9: "<f4"}  # LXMERT's columns


def small_network(path, folder):
    _, network = butd()
    network.sizes = dict(network.sizes, stem=8, stages=NARROW, rpn=16)
    network.config = dict(network.config, blocks=[1, 1, 1, 1], rpn_post_nms=300)
    network.preprocess = dict(network.preprocess, short=600, long=1000)
    network.detect(read_rgb(path))
    model = os.path.join(folder, "small.safetensors")
    write_model(model, network.weights.numpy(), "butd-r101-c4", network.config, network.preprocess,
                ["object %d" % i for i in range(1600)], ["attribute %d" % i for i in range(400)])
    return model


def network_size(program, model, width, height):
    text = subprocess.run([program, "model", "show", "--size", "%dx%d" % (width, height), model],
                          stdout=subprocess.PIPE, check=True).stdout.decode()
    return [int(n) for n in re.search(r"\((\d+) x (\d+) in the network\)", text).groups()]


def decode(row):
    fields = row.rstrip("\r\n").split("\t")
    arrays = {i: np.frombuffer(base64.b64decode(fields[i]), form) for i, form in FORMS.items()}
    return fields, arrays


def check_form(figures, name, row):
    """Encoding what was decoded gives the same bytes, and lengths are what the counts say."""
    fields, arrays = decode(row)
    n = int(fields[7])
    wrong = sum(base64.b64encode(a.tobytes()).decode() != fields[i] for i, a in arrays.items())
    wrong += sum(len(arrays[i]) != n for i in (3, 4, 5, 6)) + (len(arrays[8]) != 4 * n)
    figures.add("fields that differ", wrong + (len(fields) != 10), 0, name)


def check_rules(figures, name, row, size):
    """No two proposals overlap by .7, none is below 16 px of the original, all lie in the network's
    image, features come after a ReLU."""
    fields, arrays = decode(row)
    height, width = int(fields[1]), int(fields[2])
    scale = min(600 / min(width, height), 1000 / max(width, height))
    boxes = arrays[8].reshape(-1, 4).astype(np.float64) * scale
    overlap = overlaps(boxes[:, None], boxes[None], 1) - 2 * np.eye(len(boxes))
    figures.add("overlap - .7", np.maximum(0, overlap.max() - 0.7), 1e-5, name)
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    figures.add("16 px - side (px)", np.maximum(0, (16 * scale - sides).max()), 1e-3, name)
    outside = np.maximum(boxes - (np.array(size * 2) - 1), -boxes).max()
    figures.add("outside the image (px)", np.maximum(0, outside), 1e-3, name)
    figures.add("features below 0", np.maximum(0, -arrays[9].min()), 0, name)


def check_golden_size(figures, name, row, size):
    """The outermost box ends at the last pixel of the network's image, on both sides."""
    fields, arrays = decode(row)
    height, width = int(fields[1]), int(fields[2])
    scale = min(600 / min(width, height), 1000 / max(width, height))
    ends = arrays[8].reshape(-1, 4)[:, 2:].astype(np.float64).max(0) * scale
    figures.add("network's size (px)", ends - (np.array(size) - 1), 1e-3, name)


def run(program, model=None, images=None):
    """Returns (passed, failed)."""
    data = os.environ.get("PAIRMILL_TEST_DATA", "")
    found = glob.glob(os.path.join(data, "**", "train2014_obj36.tsv"), recursive=True) if data else []
    if not found:
        print("     published features: train2014_obj36.tsv is not in PAIRMILL_TEST_DATA=%s" % data)
        return 0, 0
    rows = open(found[0]).read().splitlines()
    photos = [os.path.join(os.path.dirname(found[0]), row.split("\t")[0] + ".jpg") for row in rows]
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        model = small_network(photos[0], folder)
        ours = detect_lines(program, model, photos, "--tsv=lxmert", ["--min", "36", "--max", "36"])
        for photo, row, our in zip(photos, rows, ours):
            name = os.path.basename(photo)
            height, width = read_rgb(photo).shape[:2]
            size = network_size(program, model, width, height)
            check_golden_size(figures, name, row, size)
            for it in (row, our):
                check_form(figures, name, it)
                check_rules(figures, name, it, size)
            figures.add("fields before the arrays",
                        sum(a != b for a, b in zip(row.split("\t")[:3] + ["36"],
                                                   our.split("\t")[:3] + [our.split("\t")[7]])), 0,
                        name)
    return figures.report("published features, %d images" % len(rows))
