#!/usr/bin/python3
"""Speed of the frame and clip networks against torchvision's, one thread each.

    tests/bench/bench_clip.py [--program build/release/pairmill] [--network s3d] [--frames 32]

Both run in turn on the same weights and frames, several rounds, resizing included; the medians of
their CPU times are compared.  Prints the times, torch's over pairmill's, and pairmill's share of the
core's peak as bench_detector.py does.  Needs python3-torch and python3-torchvision.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.models import ResNet50_Weights
from torchvision.models.video import R2Plus1D_18_Weights, R3D_18_Weights, S3D_Weights

from bench_detector import peak_macs

NETWORKS = {  # name: (module, its preprocessing, frames)
    "s3d": (torchvision.models.video.s3d, S3D_Weights.DEFAULT, 32),
    "r3d-18": (torchvision.models.video.r3d_18, R3D_18_Weights.DEFAULT, 16),
    "r2plus1d-18": (torchvision.models.video.r2plus1d_18, R2Plus1D_18_Weights.DEFAULT, 16),
    "resnet-50": (torchvision.models.resnet50, ResNet50_Weights.IMAGENET1K_V1, 1),
}


def make_frames(folder, n):
    """Noise that changes smoothly, as PNG files."""
    random = np.random.default_rng(3)
    paths = []
    for i in range(n):
        noise = random.integers(0, 256, (12, 16, 3), np.uint8)
        paths.append(os.path.join(folder, "%03d.png" % i))
        Image.fromarray(noise).resize((320, 240), Image.BICUBIC).save(paths[-1], compress_level=1)
    return paths


def import_model(program, folder, name, net):
    weights, model = os.path.join(folder, "net.pth"), os.path.join(folder, "net.safetensors")
    torch.save(net.state_dict(), weights)
    subprocess.run([program, "model", "import", weights, "-o", model, "--arch", name], check=True,
                   stdout=subprocess.DEVNULL)
    return model


def run_pairmill(program, model, frames):
    """(CPU seconds, GMAC, the line that names the BLAS) of the last of a few clips: as in torch's
    process, memory has been used before."""
    cut = ["--clip", str(len(frames))] if len(frames) > 1 else []
    out = subprocess.run([program, "detect", "--profile", "--model", model] + cut + frames * 3,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    text = out.stderr.decode()
    total = [line.split() for line in text.splitlines() if re.match(r"all\s", line)][-1]
    return float(total[1]) * 1e-3, float(total[3]), text.splitlines()[0]


def run_torch(net, preset, frames):
    start = time.process_time()
    if len(frames) == 1:
        x = preset(Image.fromarray(frames[0]))[None]
    else:
        x = preset(torch.from_numpy(frames).permute(0, 3, 1, 2))[None]
    with torch.no_grad():
        net(x)
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program", default="build/release/pairmill")
    parser.add_argument("--network", choices=sorted(NETWORKS), default="s3d")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    build, weights, frames = NETWORKS[args.network]
    net = build().eval()
    with tempfile.TemporaryDirectory() as folder:
        paths = make_frames(folder, args.frames or frames)
        pixels = np.stack([np.asarray(Image.open(path)) for path in paths])
        model = import_model(args.program, folder, args.network, net)
        peak = peak_macs(folder)
        run_torch(net, weights.transforms(), pixels)  # torch chooses its algorithms
        ours, theirs = [], []
        for _ in range(args.rounds):
            ours.append(run_pairmill(args.program, model, paths))
            theirs.append(run_torch(net, weights.transforms(), pixels))
    seconds = statistics.median(t for t, _, _ in ours)
    torch_seconds = statistics.median(theirs)
    gmac, blas = ours[0][1:]
    print("%s, %d frames; %s" % (args.network, len(paths), blas))
    print("torch %s  %8.3f s" % (torch.__version__, torch_seconds))
    print("pairmill         %8.3f s   %.1f GMAC" % (seconds, gmac))
    print("torch / pairmill %8.2f" % (torch_seconds / seconds))
    print("share of peak    %7.0f %%   (peak %.0f GFLOP/s)" %
          (100 * gmac * 1e9 / seconds / peak, 2e-9 * peak))


if __name__ == "__main__":
    main()
