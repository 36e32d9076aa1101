#!/usr/bin/python3
"""Speed of the detectors against torch on the same weights and image, one thread each.

    tests/bench/bench_detector.py [--program build/release/pairmill] [--network butd|fpn|fpn-v2|demo]

Prints the times, torch's over pairmill's, and pairmill's share of the core's peak (against_torch.py
tells how they are taken).  `butd` is ResNet-101 C4 at 600 x 1000 with 300 RoIs; `fpn` and `fpn-v2`
are torchvision's R50-FPN at 800 x 1216 with 1000; these have random weights.  `demo` is the model in
demo/.  Needs python3-torch and python3-torchvision.
"""
import argparse
import os
import sys
import tempfile

import numpy as np
import torch
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [os.path.join(ROOT, "demo"), os.path.join(ROOT, "tests", "parity")]
import model as reference
import torchvision_fpn
from against_torch import compare, profile
from modelfile import import_model, write_model


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
    write_model(path, w.tensors, "butd-r101-c4", config, preprocess,
                ["object %d" % i for i in range(1600)], ["attribute %d" % i for i in range(400)])
    return path


def make_image(folder, width, height):
    noise = np.random.default_rng(2).integers(0, 256, (38, 63, 3), np.uint8)
    path = os.path.join(folder, "image.png")
    Image.fromarray(noise).resize((width, height), Image.BICUBIC).save(path)
    return path


def butd(folder, program):
    """ResNet-101 C4 at 600 x 1000 with 300 RoIs."""
    return detector(make_butd(folder), make_image(folder, 1000, 600))


def demo(folder, program):
    return detector(os.path.join(ROOT, "demo", "model.safetensors"), make_image(folder, 1000, 600))


def detector(model, image):
    """A network of the C4 family: (model, image, torch's side)."""
    network, rgb = reference.Detector(model), reference.read_image(image)
    return model, image, lambda: network.regions(network.forward(rgb))


def fpn(folder, program, version=""):
    """torchvision's R50-FPN at 800 x 1216 with 1000 RoIs."""
    image = make_image(folder, 1216, 800)
    network = torchvision_fpn.build(bool(version), 800, 1333, torchvision_fpn.tensor_of(image))
    weights = os.path.join(folder, "weights.pth")
    torch.save(network.state_dict(), weights)
    model = import_model(program, weights, "frcnn-r50-fpn" + version)
    return model, image, lambda: network([torchvision_fpn.tensor_of(image)])


def fpn_v2(folder, program):
    return fpn(folder, program, "-v2")


NETWORKS = {"butd": butd, "fpn": fpn, "fpn-v2": fpn_v2, "demo": demo}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program", default="build/release/pairmill")
    parser.add_argument("--network", choices=NETWORKS, default="butd")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model, image, theirs = NETWORKS[args.network](folder, args.program)
        compare("%s, %s" % (args.network, "x".join(map(str, Image.open(image).size))), folder,
                args.rounds, lambda: profile(args.program, model, [image] * 2), theirs)


if __name__ == "__main__":
    main()
