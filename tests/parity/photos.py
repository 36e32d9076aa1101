"""The pictures that networks are compared on: photos where there are some, drawn scenes else."""
import glob
import os
import sys

import numpy as np
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEED = 900002


def find_photos(folder, n):
    """Paths of n pictures, of as many shapes as there are: of $PAIRMILL_TEST_DATA, a folder of JPEGs in
    any depth, or drawn into `folder`."""
    data = os.environ.get("PAIRMILL_TEST_DATA")
    found = sorted(glob.glob(os.path.join(data, "**", "*.jpg"), recursive=True)) if data else []
    if not found:
        return draw(folder, n)
    shapes = {}
    for path in found:
        shapes.setdefault(Image.open(path).size, []).append(path)
    order = []
    while shapes and len(order) < n:
        for size in sorted(shapes):
            order.append(shapes[size].pop(0))
            if not shapes[size]:
                del shapes[size]
    return order[:n]


def draw(folder, n):
    """Scenes of demo/, each cropped to another shape."""
    sys.path.insert(0, os.path.join(ROOT, "demo"))
    import scenes
    scenes.write(folder, SEED, n)
    random = np.random.default_rng(SEED)
    paths = sorted(glob.glob(os.path.join(folder, "images", "*.jpg")))
    for path in paths:
        image = Image.open(path).convert("RGB")
        w, h = (int(side * random.uniform(0.5, 1)) for side in image.size)
        image.crop((0, 0, w, h)).save(path, quality=95)
    return paths


def read_rgb(path):
    """[h][w][3] uint8"""
    return np.asarray(Image.open(path).convert("RGB"))


def clip(folder, path, frames, width, height):
    """Frames that a camera panning over the picture would see, as PNG files in order."""
    os.makedirs(folder, exist_ok=True)
    image = Image.open(path).convert("RGB")
    scale = 1.3 * max(width / image.width, height / image.height)
    image = image.resize((int(image.width * scale) + 1, int(image.height * scale) + 1))
    paths = []
    for t in range(frames):
        part = t / max(1, frames - 1)
        x, y = int((image.width - width) * part), int((image.height - height) * (1 - part))
        paths.append(os.path.join(folder, "%03d.png" % t))
        image.crop((x, y, x + width, y + height)).save(paths[-1], compress_level=1)
    return paths


def montage(paths, width, height):
    """[len(paths)][h][w][3] uint8: unlike pictures as a clip's frames, for a data set's statistics."""
    return np.stack([np.asarray(Image.open(path).convert("RGB").resize((width, height)))
                     for path in paths])
