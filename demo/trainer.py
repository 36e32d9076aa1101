"""A very small trainer: two ranks pull epochs from a feed and learn to name masked regions.

    python3 demo/trainer.py ADDRESS

Each rank trains a linear softmax classifier (numpy, plain SGD) on UNITER's masked-region
classification: the target is the detector's label of a masked region, the input what a model still
sees of the sample: the mean of the other regions' features and the region's own geometry.  Nobody
needs this classifier; it shows that what comes out of a feed can be trained on, and how little code
that takes.  In every epoch the masks are new, and the two ranks together see each pair exactly once.
"""
import argparse
import sys
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
import pairmill

WORLD, BATCH, RATE, EPOCHS, CLASSES = 2, 16, 20.0, 3, 2048


def examples(batch):
    """Inputs [m][D+7] and labels [m] of a batch's masked regions that have an object label."""
    masked = batch["img_masks"].astype(bool)
    visible = ~masked[..., None]
    seen = (batch["img_feat"] * visible).sum(1) / np.maximum(visible.sum(1), 1)
    inputs, labels, at = [], batch["label_targets"].reshape(-1), 0
    for sample in range(len(masked)):
        for region in np.flatnonzero(masked[sample]):
            inputs.append(np.concatenate([seen[sample], batch["img_pos_feat"][sample, region]]))
    return np.array(inputs, np.float32), labels[: len(inputs)]


def step(weights, inputs, labels):
    """One step of SGD on the softmax cross-entropy; returns the loss before it."""
    known = labels > 0
    if not known.any():
        return None
    x, y = inputs[known], labels[known]
    x = x / (np.linalg.norm(x, axis=1, keepdims=True) + 1e-6)
    logits = x @ weights
    logits -= logits.max(1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y] + 1e-9).mean()
    p[np.arange(len(y)), y] -= 1
    weights -= RATE * x.T @ p / len(y)
    return loss


def train(address, rank, pairs, losses):
    """Appends the ids of the pairs seen, and the mean loss, of every epoch."""
    weights = None
    for epoch in range(EPOCHS):
        seen, sums = [], []
        with pairmill.Feed(address, rank=rank, world=WORLD, batch_size=BATCH, seed=1, epoch=epoch,
                           task="mrc") as feed:
            for batch in feed:
                inputs, labels = examples(batch)
                if weights is None:
                    weights = np.zeros((inputs.shape[1], CLASSES), np.float32)
                loss = step(weights, inputs, labels)
                seen.extend(bytes(i) for i in batch.pair_ids)
                if loss is not None:
                    sums.append(loss)
        pairs.append(seen)
        losses.append(np.mean(sums))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("address")
    address = parser.parse_args().address
    pairs, losses, began = ([], []), ([], []), time.time()
    ranks = [threading.Thread(target=train, args=(address, r, pairs[r], losses[r])) for r in range(WORLD)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    total, right = 0, all(len(p) == EPOCHS for p in pairs)
    for epoch, (first, second) in enumerate(zip(*pairs)):
        distinct = len(set(first) | set(second))
        total += len(first) + len(second)
        right = right and distinct == len(first) + len(second)
        print("epoch %d: the ranks pulled %d + %d samples of %d distinct pairs, loss %.2f"
              % (epoch, len(first), len(second), distinct, losses[0][epoch]))
    print("%.0f samples/s with training" % (total / (time.time() - began)))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
