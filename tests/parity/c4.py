"""The C4 networks of published sizes against c4_reference.py, with random weights, on photos.

Double precision takes its time, so photos are made smaller than those of the published networks, fewer
RoIs are looked at, and most of those are exported; nothing else is changed.
"""
import os
import tempfile

import torch

from c4_reference import C4
from figures import Figures, compare_in_order, pairmill_detect
from modelfile import write_model
from photos import find_photos, read_rgb

RESNET = [(64, 256), (128, 512), (256, 1024), (512, 2048)]
RESNEXT = [(256, 256), (512, 512), (1024, 1024), (2048, 2048)]
ANCHORS = {"anchor_base": 16, "anchor_ratios": [0.5, 1, 2]}


def butd():
    config = dict(ANCHORS, conventions="caffe", blocks=[3, 4, 23, 3], block_names="butd",
                  stride_in_1x1=True, caffe_pool=True, roi_pool=14, res5_dilation=2,
                  feat_stride=16, anchor_scales=[4, 8, 16, 32], rpn_pre_nms=6000, rpn_post_nms=32,
                  rpn_nms=0.7, rpn_min_size=16, class_nms=0.3, conf_threshold=0.2, min_boxes=24,
                  max_boxes=100)
    sizes = dict(deviation=3, stem=64, stages=RESNET, rpn=512, objects=1600, attributes=400,
                 embedding=256, hidden=512)
    preprocess = dict(channels="BGR", mean=[102.9801, 115.9465, 122.7717], std=[1, 1, 1],
                      short=300, long=500, resize="caffe")
    return "butd-r101-c4", C4("caffe", sizes, config, preprocess)


def detectron2(name, blocks):
    config = dict(conventions="detectron2", blocks=blocks, stride_in_1x1=True, caffe_pool=False,
                  roi_pool=14, roi_sampling=0, res5_stride=2, res5_dilation=1, feat_stride=16,
                  anchor_sizes=[32, 64, 128, 256, 512], anchor_ratios=[0.5, 1, 2],
                  rpn_pre_nms=6000, rpn_post_nms=64, rpn_nms=0.7, rpn_min_size=0, class_nms=0.5,
                  conf_threshold=0.05, min_boxes=0, max_boxes=100)
    sizes = dict(deviation=2, stem=64, stages=RESNET, rpn=1024, objects=80, attributes=0)
    preprocess = dict(channels="BGR", mean=[103.53, 116.28, 123.675], std=[1, 1, 1], short=400,
                      long=666, resize="detectron2")
    return name, C4("detectron2", sizes, config, preprocess)


def vinvl():
    config = dict(ANCHORS, conventions="maskrcnn-benchmark", blocks=[3, 8, 36, 3], groups=32,
                  stride_in_1x1=False, caffe_pool=False, roi_pool=14, roi_sampling=0,
                  res5_stride=2, res5_dilation=1, feat_stride=16, anchor_scales=[2, 4, 8, 16, 32],
                  rpn_pre_nms=6000, rpn_post_nms=24, rpn_nms=0.7, rpn_min_size=0, class_nms=0.3,
                  conf_threshold=0.2, min_boxes=18, max_boxes=100)
    sizes = dict(deviation=3, stem=64, stages=RESNEXT, rpn=1024, objects=1594, attributes=524,
                 embedding=256, hidden=512)
    preprocess = dict(channels="BGR", mean=[103.53, 116.28, 123.675], std=[1, 1, 1], short=160,
                      long=266, resize="maskrcnn-benchmark")
    return "frcnn-x152-c4", C4("maskrcnn", sizes, config, preprocess)


def check(program, name, reference, photos, folder, figures):
    reference.detect(read_rgb(photos[0]))  # draws the weights
    model = os.path.join(folder, name + ".safetensors")
    sizes = reference.sizes
    write_model(model, reference.weights.numpy(), name, reference.config, reference.preprocess,
                ["object %d" % i for i in range(sizes["objects"])],
                ["attribute %d" % i for i in range(sizes["attributes"])])
    for path, got in zip(photos, pairmill_detect(program, model, photos)):
        compare_in_order(figures, os.path.basename(path), got, reference.detect(read_rgb(path)))
    os.remove(model)


def run(program, model=None, images=None):
    """Returns (passed, failed)."""
    torch.set_num_threads(2)
    passed = failed = 0
    networks = [(butd(), 4), (detectron2("frcnn-r50-c4", [3, 4, 6, 3]), 6),
                (detectron2("frcnn-r101-c4", [3, 4, 23, 3]), 1), (vinvl(), 2)]
    with tempfile.TemporaryDirectory() as folder:
        for (name, reference), n in networks:
            photos = images or find_photos(folder, n)
            figures = Figures()
            check(program, name, reference, photos, folder, figures)
            p, f = figures.report("%s, %d images" % (name, len(photos)))
            passed, failed = passed + p, failed + f
    return passed, failed
