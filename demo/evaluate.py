"""Measures the demo detector on held-out scenes.

    python3 demo/evaluate.py --scenes 300

mAP: average precision at IoU 0.5, area under the whole precision-recall
curve (all points, precision made monotone), mean over the kinds; regressed
boxes, suppression at 0.4 within a class. Attributes: each detection that is
matched (right kind, IoU >= 0.5, best score first, score >= 0.3) counts as
right if its most likely attribute is one of the object's true ones; the
colour figure takes the most likely colour instead, over objects that have one.
"""
import argparse
import io
import os
import sys

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import model
import scenes
from vocabulary import ATTRIBUTES, COLOURS, OBJECTS

HELD_OUT_SEED = 90001
SURE = .3


def iou_one(box, others):
    """One box against [n][4], plain areas in continuous coordinates."""
    w = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    h = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    inter = np.maximum(w, 0) * np.maximum(h, 0)
    area = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    return inter / ((box[2] - box[0]) * (box[3] - box[1]) + area - inter)


def average_precision(scores, right, total):
    """Area under the monotone precision-recall curve."""
    order = np.argsort(-np.array(scores), kind="stable")
    right = np.array(right, float)[order]
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * right).sum() / total) if len(right) else 0.0


class Tally:
    """What one pass over the held-out scenes collects."""

    def __init__(self):
        self.scores = [[] for _ in OBJECTS]
        self.right = [[] for _ in OBJECTS]
        self.total = np.zeros(len(OBJECTS), int)
        self.matched = self.attribute = self.coloured = self.colour = 0
        self.found = self.objects = self.covered = 0

    def describe(self, thing, prob):
        """prob [T]: the matched detection's attribute probabilities without 'none'."""
        self.matched += 1
        self.attribute += ATTRIBUTES[int(prob.argmax())] in thing.attributes
        if thing.colour:
            self.coloured += 1
            self.colour += COLOURS[int(prob[:len(COLOURS)].argmax())] == thing.colour

    def add(self, detector, rgb, things):
        out = detector.forward(rgb)
        boxes, scores, ids, index = detector.detections(out)
        truth = np.array([t.box for t in things], float).reshape(-1, 4)
        truth[:, 2:] -= 1                                 # inclusive pixels, as the network's boxes
        kind = np.array([OBJECTS.index(t.kind) for t in things], int)
        np.add.at(self.total, kind, 1)
        self.objects += len(things)
        self.covered += sum(iou_one(box, out["roi_boxes"]).max() >= .5 for box in truth)
        taken = np.zeros(len(things), bool)
        for box, score, which, row in zip(boxes, scores, ids, index):
            overlap = np.where((kind == which) & ~taken, iou_one(box, truth), 0) if len(truth) else \
                np.zeros(1)
            hit = overlap.max() >= .5
            self.scores[which].append(score)
            self.right[which].append(hit)
            if hit:
                taken[overlap.argmax()] = True
                if score >= SURE:
                    self.describe(things[overlap.argmax()], out["attr_prob"][row, 1:])

    def precision(self):
        """AP of every kind that occurs."""
        return {name: average_precision(self.scores[i], self.right[i], self.total[i])
                for i, name in enumerate(OBJECTS) if self.total[i]}


def measure(path, count, verbose=False):
    """Runs `count` held-out scenes; returns the figures, rounded."""
    detector, tally = model.Detector(path), Tally()
    for index in range(count):
        jpeg, scene, _ = scenes.make(HELD_OUT_SEED, index)
        rgb = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
        tally.add(detector, rgb, scene.things)
    precision = tally.precision()
    if verbose:
        for name, value in sorted(precision.items(), key=lambda item: item[1]):
            print("%-10s AP %.3f of %d" % (name, value, tally.total[OBJECTS.index(name)]))
    return {
        "held_out_scenes": count,
        "map_50": round(float(np.mean(list(precision.values()))), 4),
        "attribute_accuracy": round(tally.attribute / max(tally.matched, 1), 4),
        "colour_accuracy": round(tally.colour / max(tally.coloured, 1), 4),
        "proposal_recall": round(tally.covered / max(tally.objects, 1), 4),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--weights", default=model.DEFAULT_WEIGHTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, value in measure(args.weights, args.scenes, True).items():
        print(name, value)


if __name__ == "__main__":
    main()
