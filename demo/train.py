"""Trains the demo detector from nothing on rendered scenes, with a fixed seed.

    python3 demo/train.py --steps 2100 --out demo/model.safetensors

Every step takes BATCH freshly rendered scenes of one network size; no scene
is seen twice. RPN and heads are trained together, as in Faster R-CNN's
approximate joint training, with the +1 box widths of the Caffe code. The
held-out scenes of evaluate.py come from another seed.
"""
import argparse
import io
import multiprocessing
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import evaluate
import model
import network
import scenes
import tensorfile
from vocabulary import ATTRIBUTES, COLOURS, MATERIALS, OBJECTS, PATTERNS

SEED = 20260
BATCH, ROIS, ANCHORS = 4, 48, 128
BOX_STD = (.1, .1, .2, .2)
TRAINED_ON = ("synthetic scenes of 30 kinds of drawn objects, rendered by demo/scenes.py (seed %d)"
              % SEED)


# --- data ------------------------------------------------------------------

def attribute_target(names):
    """A distribution over 'none' and the attributes: [T+1].

    A material or pattern weighs as much as a colour, a size less.
    """
    target = np.zeros(len(ATTRIBUTES) + 1, np.float32)
    for name in names:
        weight = 1.0 if name in COLOURS + MATERIALS + PATTERNS else .6
        target[ATTRIBUTES.index(name) + 1] = .3 if name in ("small", "large") else weight
    if not names:
        target[0] = 1
    return target / target.sum()


def example(index):
    """Renders a training scene: (blob [3][H][W], boxes [n][4], labels [n], targets [n][T+1])."""
    jpeg, scene, _ = scenes.make(SEED, index)
    rgb = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
    blob, scale = model.preprocess(rgb, network.PREPROCESS)
    boxes = [[x0, y0, x1 - 1, y1 - 1] for x0, y0, x1, y1 in (t.box for t in scene.things)]
    boxes = np.array(boxes, np.float32).reshape(-1, 4) * np.float32(scale)
    labels = np.array([OBJECTS.index(t.kind) + 1 for t in scene.things], np.int64)
    targets = np.array([attribute_target(t.attributes) for t in scene.things], np.float32)
    return blob[0].numpy(), boxes, labels, targets.reshape(-1, len(ATTRIBUTES) + 1)


def quiet_worker():
    torch.set_num_threads(1)


def batches(start):
    """Endless batches of equally large scenes, the same in every run."""
    waiting = {}
    with multiprocessing.Pool(1, quiet_worker) as pool:
        for first in range(start, 10 ** 9, 64):
            for item in pool.imap(example, range(first, first + 64), 4):
                if not len(item[1]):
                    continue
                bucket = waiting.setdefault(item[0].shape, [])
                bucket.append(item)
                if len(bucket) == BATCH:
                    del waiting[item[0].shape]
                    yield bucket


# --- targets ---------------------------------------------------------------

def iou(a, b):
    """+1 areas; a [n][4], b [m][4] -> [n][m]."""
    lt = torch.max(a[:, None, :2], b[None, :, :2])
    rb = torch.min(a[:, None, 2:], b[None, :, 2:])
    wh = (rb - lt + 1).clamp(min=0)
    inter = wh[..., 0] * wh[..., 1]
    area = lambda x: (x[:, 2] - x[:, 0] + 1) * (x[:, 3] - x[:, 1] + 1)
    return inter / (area(a)[:, None] + area(b)[None] - inter)


def encode(boxes, truth):
    """The inverse of model.decode: deltas [n][4]."""
    w, h = boxes[:, 2] - boxes[:, 0] + 1, boxes[:, 3] - boxes[:, 1] + 1
    tw, th = truth[:, 2] - truth[:, 0] + 1, truth[:, 3] - truth[:, 1] + 1
    # decode returns the far side without -1, so the centre of the target is x1 + w/2 - 1/2
    dx = ((truth[:, 0] + truth[:, 2]) / 2 - boxes[:, 0] - .5 * w) / w
    dy = ((truth[:, 1] + truth[:, 3]) / 2 - boxes[:, 1] - .5 * h) / h
    return torch.stack([dx, dy, torch.log((tw - 1).clamp(min=1) / w),
                        torch.log((th - 1).clamp(min=1) / h)], 1)


def choose(mask, count):
    """Up to `count` random indexes where mask is set."""
    index = mask.nonzero()[:, 0]
    return index[torch.randperm(len(index))[:count]]


def rpn_loss(score, delta, anchors, truth, size):
    """One image: 128 anchors, at most half of them positive."""
    inside = ((anchors[:, 0] > -24) & (anchors[:, 1] > -24) &
              (anchors[:, 2] < size[1] + 24) & (anchors[:, 3] < size[0] + 24))
    table = iou(anchors, truth)
    best, match = table.max(1)
    positive = best >= .6
    top = table.max(0)[0]
    positive |= ((table == top[None]) & (top[None] > .25)).any(1)
    negative = (best < .3) & inside & ~positive
    fg = choose(positive, ANCHORS // 2)
    bg = choose(negative, ANCHORS - len(fg))
    index = torch.cat([fg, bg])
    label = torch.cat([torch.ones(len(fg)), torch.zeros(len(bg))]).long()
    classify = F.cross_entropy(score[index], label)
    locate = F.smooth_l1_loss(delta[fg], encode(anchors[fg], truth[match[fg]]),
                              beta=1 / 9, reduction="sum") / ANCHORS
    return classify, 2 * locate


@torch.no_grad()
def propose(score, delta, anchors, size, count=200):
    """Training proposals of one image; torchvision's NMS is near enough here."""
    fg = (score[:, 1] - score[:, 0])
    best = fg.topk(min(1200, len(fg)))[1]
    boxes = model.decode(anchors[best].numpy(), delta[best].clamp(-4, 4).numpy())
    boxes = torch.from_numpy(model.clip(boxes, size[0], size[1]))
    big = ((boxes[:, 2:] - boxes[:, :2]) >= 7).all(1)
    boxes, fg = boxes[big], fg[best][big]
    return boxes[torchvision.ops.nms(boxes, fg, .7)[:count]]


def sample_rois(rois, truth, labels, targets):
    """48 RoIs of one image, up to 45 % of them on objects; truth boxes join in."""
    rois = torch.cat([rois, truth])
    best, match = iou(rois, truth).max(1)
    fg = choose(best >= .5, int(.45 * ROIS))
    bg = choose(best < .5, ROIS - len(fg))
    index = torch.cat([fg, bg])
    label = labels[match[index]].clone()
    label[len(fg):] = 0
    return (rois[index], label, encode(rois[index], truth[match[index]]),
            targets[match[index]])


def head_loss(net, feature_map, samples):
    """Class, box and attribute losses over the RoIs of a batch."""
    indexed = torch.cat([F.pad(s[0], (1, 0), value=float(i)) for i, s in enumerate(samples)])
    label = torch.cat([s[1] for s in samples])
    delta = torch.cat([s[2] for s in samples]) / torch.tensor(BOX_STD)
    target = torch.cat([s[3] for s in samples])
    size = network.CONFIG["roi_pool"]
    pooled = torchvision.ops.roi_pool(feature_map, indexed, (size, size), 1 / 16)
    score, box, attribute = net.heads(pooled, label)
    fg = (label > 0).nonzero()[:, 0]
    box = box.view(len(box), -1, 4)[fg, label[fg]]
    locate = F.smooth_l1_loss(box, delta[fg], reduction="sum") / len(label)
    describe = -(target[fg] * F.log_softmax(attribute[fg], 1)).sum() / max(len(fg), 1)
    return F.cross_entropy(score, label), locate, describe


def losses(net, batch):
    """The five losses of one batch: rpn class, rpn box, class, box, attribute."""
    images = torch.from_numpy(np.stack([item[0] for item in batch]))
    size = images.shape[2:]
    feature_map = net.features(images)
    score, delta = net.rpn(feature_map)
    anchors = torch.from_numpy(model.all_anchors(network.CONFIG, *feature_map.shape[2:]))
    rpn, samples = [], []
    for i, item in enumerate(batch):
        truth, labels, targets = (torch.from_numpy(array) for array in item[1:])
        rpn.append(rpn_loss(score[i], delta[i], anchors, truth, size))
        rois = propose(score[i].detach(), delta[i].detach(), anchors, size)
        samples.append(sample_rois(rois, truth, labels, targets))
    first, second = (sum(pair[k] for pair in rpn) / len(batch) for k in (0, 1))
    return (first, second) + head_loss(net, feature_map, samples)


# --- the loop --------------------------------------------------------------

def rate(step, steps, peak):
    """Warm-up over 100 steps, then a cosine to zero."""
    if step < 100:
        return peak * (step + 1) / 100
    return peak * (.01 + .99 * .5 * (1 + np.cos(np.pi * (step - 100) / max(steps - 100, 1))))


def freeze(net):
    """Keeps the normalisation's running statistics, as inference will use them."""
    for norm in net.norms.values():
        norm.eval()


def write(net, path, scores):
    tensors = net.folded((1, 1, 1, 1), BOX_STD)
    tensorfile.save(path, tensors, network.metadata(OBJECTS, ATTRIBUTES, SEED, TRAINED_ON, scores))


def train(args):
    torch.manual_seed(SEED)
    torch.set_num_threads(args.threads)
    net = network.Network(len(OBJECTS), len(ATTRIBUTES)).train()
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=.01)
    mean, began = np.zeros(5), time.time()
    for step, batch in zip(range(args.steps), batches(0)):
        if step == int(.85 * args.steps):
            freeze(net)
        for group in optimiser.param_groups:
            group["lr"] = rate(step, args.steps, args.rate)
        parts = losses(net, batch)
        optimiser.zero_grad()
        sum(parts).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10)
        optimiser.step()
        mean = .98 * mean + .02 * np.array([float(p) for p in parts])
        if step % 50 == 49:
            known = mean / (1 - .98 ** (step + 1))
            print("step %d of %d, %.0f s: rpn %.3f %.3f class %.3f box %.3f attribute %.3f"
                  % ((step + 1, args.steps, time.time() - began) + tuple(known)), flush=True)
        if step % 500 == 499 and args.checkpoint:
            write(net, args.checkpoint, {})
    net.eval()
    write(net, args.out, {})
    scores = evaluate.measure(args.out, args.held_out)
    print(scores)
    write(net, args.out, scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=2100)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--held-out", type=int, default=300, help="scenes to measure on")
    parser.add_argument("--checkpoint", help="also write the weights here every 500 steps")
    parser.add_argument("--out", default=model.DEFAULT_WEIGHTS)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
