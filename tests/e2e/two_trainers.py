"""Two trainers, rank 0 and 1 of 2, pull one epoch from a feed; prints what they saw, as JSON.

    two_trainers.py ADDRESS [--stop-at N] [--recipe NAME]

With --stop-at each rank closes its feed after N batches and goes on with a new one from its state.
"masked_TASK" counts, where the recipe tells tasks apart, the sub-tokens that each asked for.
"""
import argparse
import json
import sys
import threading
import time

import numpy as np

import pairmill


def check_uniter(batch):
    """The shapes that UNITER's forward() expects of each other."""
    n = batch["input_ids"].shape[0]
    length = batch["input_ids"].shape[1] + batch["img_feat"].shape[1]
    assert batch["img_feat"].dtype == np.float32 and batch["input_ids"].dtype.kind == "i"
    assert batch["img_pos_feat"].shape == batch["img_feat"].shape[:2] + (7,)
    assert batch["attn_masks"].shape[0] == n and batch["attn_masks"].shape[1] <= length
    assert np.isfinite(batch["img_feat"]).all()
    return n


def check_ernievil(batch):
    """The shapes that ERNIE-ViL's forward() expects of each other, and labels where it masks."""
    n, length = batch["src_ids"].shape
    assert all(batch[name].shape == (n, length)
               for name in ("src_pos", "src_seg", "src_masks", "mask_label", "mask_task"))
    rows = batch["image_embeddings"].shape[1]
    assert batch["image_loc"].shape == (n, rows, 5) and batch["image_mask"].shape == (n, rows)
    assert batch["image_label"].dtype == bool and batch["match_label"].shape == (n,)
    assert batch["image_label"].sum() == len(batch["image_soft_labels"])
    assert (batch["image_loc"][:, 0] == [0, 0, 1, 1, 1]).all()
    assert ((batch["mask_label"] >= 0) == (batch["mask_task"] > 0)).all()
    assert np.isfinite(batch["image_embeddings"]).all()
    return n


CHECKS = {"uniter": check_uniter, "ernievil": check_ernievil}


def count_masked(recipe, batch, masked):
    for number, task in enumerate(pairmill.tasks(recipe)):
        if number and "mask_task" in batch:
            masked[task] = masked.get(task, 0) + int((batch["mask_task"] == number).sum())


def pull(address, rank, recipe, stop_at, seen, masked, failures):
    try:
        state, batches = {"recipe": recipe, "epoch": 0, "seed": 7}, 0
        while state is not None:
            resume = None
            with pairmill.Feed(address, rank=rank, world=2, batch_size=8, timeout=60, **state) as feed:
                for batch in feed:
                    CHECKS[recipe](batch)
                    count_masked(recipe, batch, masked[rank])
                    seen[rank].extend(bytes(i).hex() for i in batch.pair_ids)
                    batches += 1
                    if stop_at and batches == stop_at:
                        resume = feed.state
                        break
            state = resume
    except Exception as error:  # the test wants to see it, whatever it is
        failures.append(repr(error))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--stop-at", type=int, default=0)
    parser.add_argument("--recipe", choices=CHECKS, default="uniter")
    args = parser.parse_args()
    seen, masked, failures, began = ([], []), ({}, {}), [], time.time()
    threads = [threading.Thread(target=pull, args=(args.address, r, args.recipe, args.stop_at,
                                                  seen, masked, failures)) for r in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    both = seen[0] + seen[1]
    print(json.dumps({"rank0": len(seen[0]), "rank1": len(seen[1]), "distinct": len(set(both)),
                      "first": both[0] if both else None, "failures": failures,
                      **{"masked_" + t: masked[0][t] + masked[1].get(t, 0) for t in masked[0]},
                      "samples_per_second": round(len(both) / (time.time() - began), 1)}))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
