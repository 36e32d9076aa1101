#!/usr/bin/python3
"""Speed of the detector against torch on the same weights and image, one thread each.

    tests/bench/bench_detector.py [--program build/release/pairmill] [--network butd|demo]

Both run in turn, several rounds; the best CPU time of each counts, so that other work on the machine
matters little.  Prints the times, torch's over pairmill's, and pairmill's share of the core's peak:
the multiply-adds of the plain convolutions, over the time, over the multiply-adds that a loop of
nothing else reaches.  `butd` is ResNet-101 C4 at 600 x 1000 with 300 RoIs and random weights;
`demo` is the model in demo/.  Needs python3-torch and python3-torchvision.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "demo"))
import model as reference

PEAK = r"""
#include <stdio.h>
#include <time.h>
#define N %d
typedef float v __attribute__((vector_size(N * 4)));
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}
int main(void)
{
    double best = 1e9;
    float sum = 0;
    for (int r = 0; r < 7; r++) {
        v a[12] = {{0}}, x = {0}, y = {0};
        x += 0.999f, y += 0.5f;
        for (int i = 0; i < 12; i++)
            a[i] += (float)i; /* or the compiler would find the sums equal and compute few */
        const double t = now();
        for (long k = 0; k < 5000000; k++)
            for (int i = 0; i < 12; i++)
                a[i] = a[i] * x + y;
        const double d = now() - t;
        best = d < best ? d : best;
        for (int i = 0; i < 12; i++)
            sum += a[i][0];
    }
    fprintf(stderr, "%%g", (double)sum);
    printf("%%g\n", 5e6 * 12 * N / best);
}
"""


def peak_macs(folder):
    """Multiply-adds a second of one core, by a loop of independent FMAs."""
    best = 0
    for width in (8, 16):
        source = os.path.join(folder, "peak.c")
        with open(source, "w") as f:
            f.write(PEAK % width)
        subprocess.run(["cc", "-O3", "-march=native", "-ffp-contract=fast",
                        "-mprefer-vector-width=%d" % (32 * width), "-o", source[:-2], source],
                       check=True)
        out = subprocess.run([source[:-2]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        best = max(best, float(out.stdout))
    return best


class Weights:
    """Random weights of a scale that keeps activations' size; He's, halved before each addition."""

    def __init__(self):
        self.random = np.random.default_rng(1)
        self.tensors = {}

    def layer(self, name, shape, gain=1.4):
        deviation = gain / np.sqrt(np.prod(shape[1:]))
        self.tensors[name + ".weight"] = \
            (self.random.standard_normal(shape, np.float32) * np.float32(deviation))
        self.tensors[name + ".bias"] = np.zeros(shape[0], np.float32)

    def stage(self, number, blocks, wide_in, narrow):
        for i in range(blocks):
            name = "res%d%s" % (number, chr(ord("a") + i))
            if i == 0:
                self.layer(name + "_branch1", (4 * narrow, wide_in, 1, 1), 1)
            self.layer(name + "_branch2a", (narrow, wide_in, 1, 1))
            self.layer(name + "_branch2b", (narrow, narrow, 3, 3))
            self.layer(name + "_branch2c", (4 * narrow, narrow, 1, 1), 0.3)
            wide_in = 4 * narrow


def write_safetensors(path, tensors, metadata):
    header, at = {"__metadata__": metadata}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": "F32", "shape": t.shape, "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for t in tensors.values():
            f.write(t.tobytes())


def make_butd(folder):
    """ResNet-101 C4 of the published sizes: 1600 objects, 400 attributes, 12 anchors."""
    w = Weights()
    w.layer("conv1", (64, 3, 7, 7), 0.02)
    for number, blocks, wide, narrow in ((2, 3, 64, 64), (3, 4, 256, 128), (4, 23, 512, 256),
                                         (5, 3, 1024, 512)):
        w.stage(number, blocks, wide, narrow)
    w.layer("rpn_conv/3x3", (512, 1024, 3, 3))
    w.layer("rpn_cls_score", (24, 512, 1, 1))
    w.layer("rpn_bbox_pred", (48, 512, 1, 1), 0.1)
    w.layer("cls_score", (1601, 2048))
    w.layer("bbox_pred", (6404, 2048), 0.1)
    w.layer("fc_attr", (512, 2304))
    w.layer("attr_score", (401, 512))
    w.tensors["cls_embedding.weight"] = w.random.standard_normal((1601, 256), np.float32)
    config = {"blocks": [3, 4, 23, 3], "stride_in_1x1": True, "caffe_pool": True, "roi_pool": 14,
              "res5_dilation": 2, "feat_stride": 16, "anchor_base": 16, "anchor_ratios": [.5, 1, 2],
              "anchor_scales": [4, 8, 16, 32], "rpn_pre_nms": 6000, "rpn_post_nms": 300,
              "rpn_nms": 0.7, "rpn_min_size": 16, "class_nms": 0.3, "conf_threshold": 0.2,
              "min_boxes": 10, "max_boxes": 100}
    preprocess = {"channels": "BGR", "mean": [102.9801, 115.9465, 122.7717], "std": [1, 1, 1],
                  "short": 600, "long": 1000, "resize": "caffe"}
    path = os.path.join(folder, "butd.safetensors")
    write_safetensors(path, w.tensors, {
        "format": "pairmill-model/1", "architecture": "butd-r101-c4", "config": json.dumps(config),
        "preprocess": json.dumps(preprocess),
        "objects": json.dumps(["object %d" % i for i in range(1600)]),
        "attributes": json.dumps(["attribute %d" % i for i in range(400)])})
    return path


def make_image(folder):
    from PIL import Image
    noise = np.random.default_rng(2).integers(0, 256, (38, 63, 3), np.uint8)
    path = os.path.join(folder, "image.png")
    Image.fromarray(noise).resize((1000, 600), Image.BICUBIC).save(path)
    return path


def run_pairmill(program, model, image, repeat=2):
    """(best CPU seconds an image, GMAC, the line that names the BLAS)"""
    out = subprocess.run([program, "detect", "--profile", "--model", model] + [image] * repeat,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    text = out.stderr.decode()
    totals = [line.split() for line in text.splitlines() if re.match(r"all\s", line)]
    return min(float(t[1]) for t in totals) * 1e-3, float(totals[0][3]), text.splitlines()[0]


def run_torch(detector, rgb):
    start = time.process_time()
    out = detector.forward(rgb)
    detector.regions(out)
    return time.process_time() - start, len(out["rois"])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program", default="build/release/pairmill")
    parser.add_argument("--network", choices=["butd", "demo"], default="butd")
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = make_butd(folder) if args.network == "butd" else \
            os.path.join(ROOT, "demo", "model.safetensors")
        image = make_image(folder)
        peak = peak_macs(folder)
        detector = reference.Detector(model)
        rgb = reference.read_image(image)
        ours, theirs = [], []
        for _ in range(args.rounds):
            ours.append(run_pairmill(args.program, model, image))
            theirs.append(run_torch(detector, rgb))
        seconds, gmac, blas = min(ours)
        torch_seconds, rois = min(theirs)
    print("%s, 600 x 1000, %d RoIs; %s" % (args.network, rois, blas))
    print("torch %s  %8.3f s" % (torch.__version__, torch_seconds))
    print("pairmill         %8.3f s   %.1f GMAC" % (seconds, gmac))
    print("torch / pairmill %8.2f" % (torch_seconds / seconds))
    print("share of peak    %7.0f %%   (peak %.0f GFLOP/s)" %
          (100 * gmac * 1e9 / seconds / peak, 2e-9 * peak))


if __name__ == "__main__":
    main()
