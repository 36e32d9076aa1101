"""Photos for the checks: of different shapes, from a folder or drawn."""
import glob
import os

import numpy as np
from PIL import Image


def find_photos(n, folder):
    """`n` photos under $PAIRMILL_DATA, as many shapes among them as there are; drawn ones, written
    to `folder`, where the variable is not set."""
    data = os.environ.get("PAIRMILL_DATA")
    if not data:
        return [draw_photo(folder, i) for i in range(n)]
    paths = sorted(glob.glob(os.path.join(data, "**", "*.jpg"), recursive=True))
    if len(paths) < n:
        raise SystemExit("PAIRMILL_DATA=%s has %d photos; %d are needed" % (data, len(paths), n))
    by_shape = {}
    for path in paths:
        by_shape.setdefault(Image.open(path).size, []).append(path)
    chosen = []
    while len(chosen) < n:  # one of each shape, then a second one of each, ...
        for some in by_shape.values():
            if some and len(chosen) < n:
                chosen.append(some.pop(0))
    return chosen


def draw_photo(folder, seed):
    """Smooth colours with edges of all sizes, of a shape that differs from one to the next."""
    random = np.random.default_rng(seed)
    width, height = (int(v) for v in random.integers(120, 700, 2))
    picture = Image.fromarray(random.integers(0, 256, (9, 9, 3), np.uint8)).resize(
        (width, height), Image.BICUBIC)
    pixels = np.asarray(picture).copy()
    for _ in range(60):
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        w, h = (int(v) for v in random.integers(4, 200, 2))
        pixels[y:y + h, x:x + w] = random.integers(0, 256, 3)
    path = os.path.join(folder, "drawn%02d.png" % seed)
    Image.fromarray(pixels).save(path)
    return path


def read_rgb(path):
    return np.array(Image.open(path).convert("RGB"))
