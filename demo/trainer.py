"""A very small trainer: two ranks pull an epoch from a feed and learn to name masked regions.

    python3 demo/trainer.py ADDRESS

Each rank trains a linear softmax classifier (numpy, plain SGD) on UNITER's masked-region
classification: the target is the detector's label of a masked region, the input what a model still
sees of the sample: the mean of the other regions' features and the region's own geometry.  Nobody
needs this classifier; it shows that what comes out of a feed can be trained on, and how little code
that takes.  The two ranks together see each pair exactly once.
"""
import argparse
import sys
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))
import pairmill

WORLD, BATCH, RATE = 2, 16, 0.5


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
    weights = None
    with pairmill.Feed(address, rank=rank, world=WORLD, batch_size=BATCH, seed=1, task="mrc") as feed:
        for batch in feed:
            inputs, labels = examples(batch)
            if weights is None:
                weights = np.zeros((inputs.shape[1], 4096), np.float32)
            loss = step(weights, inputs, labels)
            pairs.extend(bytes(i) for i in batch.pair_ids)
            if loss is not None:
                losses.append(loss)


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
    seen, distinct = len(pairs[0]) + len(pairs[1]), len(set(pairs[0]) | set(pairs[1]))
    quarter = max(len(losses[0]) // 4, 1)
    print("two ranks pulled %d + %d samples, %d distinct pairs, in %.1f s; loss %.2f -> %.2f"
          % (len(pairs[0]), len(pairs[1]), distinct, time.time() - began,
             np.mean(losses[0][:quarter]), np.mean(losses[0][-quarter:])))
    return 0 if seen == distinct else 1


if __name__ == "__main__":
    sys.exit(main())
