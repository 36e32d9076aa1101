"""The demo model: pairmill against demo/model.py on rendered scenes."""
import glob
import os
import sys
import tempfile

import numpy as np
import torch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "demo"))
from figures import Figures, pairmill_detect
import model as reference

SCENES = 50
SEED = 900001  # another one than training and evaluation use


def render(folder):
    """Renders the scenes and returns their paths."""
    import scenes
    scenes.write(folder, SEED, SCENES)
    return sorted(glob.glob(os.path.join(folder, "images", "*.jpg")))


def compare(figures, name, got, want):
    """Region by region in exported order.  Regions whose confidences tie within the tolerance may
    change places, so each expected region is sought among those of nearly its confidence."""
    n = len(want["conf"])
    if len(got["conf"]) != n:
        figures.fail("regions", name, "%d, not %d" % (len(got["conf"]), n))
        return
    free = np.ones(n, bool)
    order = np.zeros(n, int)
    for i in range(n):
        cost = np.abs(got["boxes"] - want["boxes"][i]).max(1) + 1e3 * ~free
        order[i] = cost.argmin()
        free[order[i]] = False
    got = {key: value[order] for key, value in got.items()}
    figures.add("order (conf)", np.array(got["conf"]) - want["conf"], 1e-4, name)
    figures.add("boxes (px)", got["boxes"] - want["boxes"], 0.05, name)
    figures.add("refined boxes (px)", got["refined"] - want["refined"], 0.05, name)
    figures.add("object scores", got["object_conf"] - want["object_conf"], 1e-4, name)
    figures.add("object labels", (got["object_ids"] != want["object_ids"]).astype(float), 0, name)
    figures.add("attribute scores", got["attribute_conf"] - want["attribute_conf"], 1e-4, name)
    figures.add("attribute labels", (got["attribute_ids"] != want["attribute_ids"]).astype(float), 0,
                name)
    largest = np.abs(want["features"]).max() if n else 1
    figures.add("features (relative)", (got["features"] - want["features"]) / largest, 1e-3, name)


def expected(detector, path):
    rgb = reference.read_image(path)
    out = detector.forward(rgb)
    want = detector.regions(out)
    columns = 4 * (want["object_ids"] + 1)
    rows = out["class_boxes"][want["roi_index"]]
    want["refined"] = np.stack([rows[i, c:c + 4] for i, c in enumerate(columns)]).reshape(-1, 4)
    return want


def run(program, model=None, images=None):
    """Returns (passed, failed)."""
    model = model or os.path.join(ROOT, "demo", "model.safetensors")
    torch.set_num_threads(1)
    detector = reference.Detector(model)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        images = images or render(folder)
        for path, got in zip(images, pairmill_detect(program, model, images)):
            compare(figures, os.path.basename(path), got, expected(detector, path))
    return figures.report("demo-c4, %d images" % len(images))
