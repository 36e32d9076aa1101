"""frcnn-r50-fpn and frcnn-r50-fpn-v2 against torchvision, with random weights, on photos."""
import os
import tempfile

import numpy as np
import torch
import torchvision
from torchvision.models.detection import faster_rcnn

from figures import Figures, compare_in_order, pairmill_detect_tsv
from modelfile import import_model
from photos import find_photos, read_rgb
from randomise import randomise

# What the layers' outputs deviate by; residual branches less than what they are added to.
DEVIATIONS = [("conv3", 0.4, False), ("cls_logits", 1, True), ("rpn.head.bbox_pred", 0.1, True),
              ("cls_score", 3, True), ("box_predictor.bbox_pred", 0.5, True)]


def build(v2, short, long, photo):
    make = faster_rcnn.fasterrcnn_resnet50_fpn_v2 if v2 else faster_rcnn.fasterrcnn_resnet50_fpn
    network = make(weights=None, weights_backbone=None, min_size=short, max_size=long).eval()
    for module in network.modules():
        if hasattr(module, "running_var") and not v2:
            module.eps = 0.0  # as overwrite_eps() does where v1's published weights are loaded
    randomise(network, lambda: network([photo]), DEVIATIONS)
    return network


def tensor_of(path):
    return torch.from_numpy(read_rgb(path).copy()).permute(2, 0, 1).float() / 255


class Reference:
    """Runs the network and finds, for each detection, the RoI it came from: the one whose box under
    the detection's class is the detection's."""

    def __init__(self, network):
        self.network = network
        self.kept = {}
        heads = network.roi_heads
        heads.register_forward_hook(self.keep("heads"))
        heads.box_head.register_forward_hook(self.keep("features"))
        heads.box_predictor.register_forward_hook(self.keep("predictor"))

    def keep(self, name):
        def hook(module, inputs, output):
            self.kept[name] = inputs, output
        return hook

    def moved_boxes(self, width, height):
        """Every RoI's box under every class, [R][C][4] in pixels of the image."""
        _, proposals, sizes = self.kept["heads"][0][:3]
        _, deltas = self.kept["predictor"][1]
        boxes = self.network.roi_heads.box_coder.decode(deltas, proposals)
        boxes = torchvision.ops.clip_boxes_to_image(boxes, sizes[0])
        return (boxes * torch.tensor([width / sizes[0][1], height / sizes[0][0]] * 2)).numpy()

    def detect(self, path):
        image = tensor_of(path)
        with torch.no_grad():
            found = self.network([image])[0]
        boxes, labels = found["boxes"].numpy(), found["labels"].numpy()
        moved = self.moved_boxes(image.shape[2], image.shape[1])
        rois = [np.abs(moved[:, c] - b).max(1).argmin() for c, b in zip(labels, boxes)]
        scores = found["scores"].numpy()
        return {"boxes": boxes, "refined": boxes, "conf": scores, "object_ids": labels - 1,
                "object_conf": scores, "features": self.kept["features"][1].numpy()[rois]}


def check(program, v2, photos, short, long, folder, figures):
    network = build(v2, short, long, tensor_of(photos[0]))
    weights = os.path.join(folder, "weights.pth")
    torch.save(network.state_dict(), weights)
    model = import_model(program, weights, "frcnn-r50-fpn-v2" if v2 else "frcnn-r50-fpn",
                         short=short, long=long)
    reference = Reference(network)
    for path, got in zip(photos, pairmill_detect_tsv(program, model, photos)):
        compare_in_order(figures, os.path.basename(path), got, reference.detect(path))


def run(program, model=None, images=None):
    """Returns (passed, failed)."""
    torch.set_num_threads(2)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        photos = images or find_photos(folder, 20)
        for v2, short, long in ((False, 800, 1333), (True, 480, 800)):
            figures = Figures()
            check(program, v2, photos, short, long, folder, figures)
            p, f = figures.report("frcnn-r50-fpn%s, %d images" % ("-v2" if v2 else "", len(photos)))
            passed, failed = passed + p, failed + f
    return passed, failed
