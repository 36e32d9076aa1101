"""What the parity checks share: running `pairmill detect`, comparing, counting.

A figure is the largest difference of one quantity over all images, against its tolerance.
"""
import base64
import json
import os
import subprocess

import numpy as np


class Figures:
    """Collects the largest difference of each quantity and prints a line for each."""

    def __init__(self):
        self.worst = {}      # name -> (difference, tolerance, where)
        self.failures = []

    def add(self, name, difference, tolerance, where):
        """`difference` is a number or an array; its largest magnitude counts."""
        d = float(np.max(np.abs(difference))) if np.size(difference) else 0.0
        if np.isnan(d):
            d = float("inf")
        old = self.worst.get(name)
        if old is None or d > old[0]:
            self.worst[name] = (d, tolerance, where)

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
        for name, where, why in self.failures:
            print("FAIL %-34s %-22s %s: %s" % (title, name, where, why))
        return len(self.worst) - failed, failed + len(self.failures)


def batches(items, size=50):
    for i in range(0, len(items), size):
        yield items[i:i + size]


def floats(text, rows):
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(rows, -1 if rows else 0)


def pairmill_detect(program, model, images, extra=()):
    """Runs the program twice over the images, for JSON and for TSV; yields one dict an image:
    boxes [n][4], refined [n][4], conf [n], object_ids, object_conf, attribute_ids,
    attribute_conf [n], features [n][D]."""
    command = [program, "detect", "--model", model] + list(extra)
    for some in batches(images):
        text = subprocess.run(command + ["--json"] + some, stdout=subprocess.PIPE, check=True).stdout
        rows = subprocess.run(command + ["--tsv"] + some, stdout=subprocess.PIPE, check=True).stdout
        for path, line, row in zip(some, text.decode().splitlines(), rows.decode().splitlines()):
            yield one_image(path, json.loads(line), row.split("\t"))


def one_image(path, found, row):
    regions = found["regions"]
    assert os.path.basename(path).startswith(row[0]), (path, row[0])

    def column(key, dtype=np.float64):
        return np.array([r.get(key, 0) for r in regions], dtype)

    n = len(regions)
    return {
        "boxes": floats(row[8], n),
        "refined": column("refined_box").reshape(n, 4) if n else np.zeros((0, 4)),
        "conf": column("conf"),
        "object_ids": column("object_id", int), "object_conf": column("object_conf"),
        "attribute_ids": column("attribute_id", int),
        "attribute_conf": column("attribute_conf"),
        "features": floats(row[9], n),
    }
