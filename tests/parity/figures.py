"""What the parity checks share: running `pairmill detect`, comparing, counting.

A figure is the largest difference of one quantity over all images, against its tolerance.
"""
import base64
import json
import os
import subprocess

import numpy as np


TOLERANCES = [("boxes", "boxes (px)", 0.05), ("refined", "refined boxes (px)", 0.05),
              ("conf", "confidences", 1e-4), ("object_ids", "object labels", 0),
              ("object_conf", "object scores", 1e-4), ("attribute_ids", "attribute labels", 0),
              ("attribute_conf", "attribute scores", 1e-4)]


TIE = 1e-4  # of confidences: the tolerance on them


class Figures:
    """Collects the largest difference of each quantity and prints a line for each."""

    def __init__(self):
        self.worst = {}      # name -> (difference, tolerance, where)
        self.failures = []
        self.counts = {}     # name -> [number an image]
        self.optional = set()

    def add(self, name, difference, tolerance, where):
        """`difference` is a number or an array; its largest magnitude counts."""
        d = float(np.max(np.abs(difference))) if np.size(difference) else 0.0
        if np.isnan(d):
            d = float("inf")
        old = self.worst.get(name)
        if old is None or d > old[0]:
            self.worst[name] = (d, tolerance, where)

    def count(self, name, n, may_be_none=False):
        """How many of something an image had; a check of none shows nothing."""
        self.counts.setdefault(name, []).append(n)
        if may_be_none:
            self.optional.add(name)

    def fail(self, name, where, why):
        self.failures.append((name, where, why))

    def report(self, title):
        """Prints the figures; returns (passed, failed)."""
        failed = 0
        for name, (d, tolerance, where) in self.worst.items():
            ok = d <= tolerance
            failed += not ok
            print("%s %-34s %-22s %.3g (at most %g)%s" %
                  ("ok  " if ok else "FAIL", title, name, d, tolerance,
                   "" if ok else "  worst: %s" % where))
        for name, n in self.counts.items():
            print("     %-34s %-22s %d to %d an image, %d in all" %
                  (title, name, min(n), max(n), sum(n)))
            if not sum(n) and name not in self.optional:
                self.fail(name, "all images", "none at all")
        for name, where, why in self.failures:
            print("FAIL %-34s %-22s %s: %s" % (title, name, where, why))
        return len(self.worst) - failed, failed + len(self.failures)


def compare_in_order(figures, name, got, want):
    """Region by region: the same ones in the same order, but for those whose confidences differ by
    less than rounding makes of them.  `want` has the keys of pairmill_detect(), some perhaps not."""
    n = len(want["conf"])
    if len(got["conf"]) != n:
        figures.fail("regions", name, "%d, not %d" % (len(got["conf"]), n))
        return
    figures.count("regions", n)
    figures.add("order (confidences)", np.array(got["conf"], np.float64) - want["conf"], 1e-4, name)
    order = match_ties(got, want)
    figures.count("of them tied", int((order != np.arange(n)).sum()), may_be_none=True)
    for key, label, tolerance in TOLERANCES:
        if key in want:
            figures.add(label, np.array(got[key], np.float64)[order] - want[key], tolerance, name)
    if n:
        largest = np.abs(want["features"]).max()
        figures.add("features (relative)",
                    (got["features"][order] - want["features"]) / largest, 1e-3, name)


def match_ties(got, want):
    """order[i]: the i-th expected region's place among the found ones."""
    n = len(want["conf"])
    order, free = np.zeros(n, int), np.ones(n, bool)
    for i in range(n):
        cost = np.abs(got["boxes"] - want["boxes"][i]).max(1) + \
            1e3 * (got["object_ids"] != want["object_ids"][i])
        tied = np.abs(np.array(got["conf"]) - want["conf"][i]) < TIE
        cost = np.where(tied | (np.arange(n) == i), cost, 1e6) + 1e9 * ~free
        order[i] = cost.argmin()
        free[order[i]] = False
    return order


def batches(items, size=50):
    for i in range(0, len(items), size):
        yield items[i:i + size]


def floats(text, rows):
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(rows, -1 if rows else 0)


def detect_lines(program, model, images, form, extra=()):
    command = [program, "detect", "--model", model] + list(extra) + [form] + images
    out = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return out.decode().splitlines()


def pairmill_detect(program, model, images, extra=()):
    """Runs the program twice over the images, for JSON and for TSV; yields one dict an image:
    boxes [n][4], refined [n][4], conf [n], object_ids, object_conf, attribute_ids,
    attribute_conf [n], features [n][D]."""
    for some in batches(images):
        text = detect_lines(program, model, some, "--json", extra)
        rows = detect_lines(program, model, some, "--tsv", extra)
        for path, line, row in zip(some, text, rows):
            yield dict(parse_tsv(path, row), **parse_json(line))


def pairmill_detect_tsv(program, model, images, extra=()):
    """The same from one run, for networks whose regions are their refined boxes, with their object's
    probability for a confidence."""
    for path, row in zip(images, detect_lines(program, model, images, "--tsv", extra)):
        found = parse_tsv(path, row)
        yield dict(found, refined=found["boxes"], conf=found["object_conf"])


def parse_json(line):
    regions = json.loads(line)["regions"]
    n = len(regions)

    def column(key, dtype=np.float64):
        return np.array([r.get(key, 0) for r in regions], dtype)

    return {"refined": column("refined_box").reshape(n, 4), "conf": column("conf"),
            "object_ids": column("object_id", int), "object_conf": column("object_conf"),
            "attribute_ids": column("attribute_id", int),
            "attribute_conf": column("attribute_conf")}


def parse_tsv(path, row):
    """A row of LXMERT's form."""
    name, _, _, ids, conf, attribute_ids, attribute_conf, n, boxes, features = row.split("\t")
    assert os.path.basename(path).startswith(name), (path, name)

    def column(text, dtype):
        return np.frombuffer(base64.b64decode(text), dtype)

    return {"boxes": floats(boxes, int(n)), "features": floats(features, int(n)),
            "object_ids": column(ids, "<i8"), "object_conf": column(conf, "<f4"),
            "attribute_ids": column(attribute_ids, "<i8"),
            "attribute_conf": column(attribute_conf, "<f4")}
