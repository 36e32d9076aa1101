#!/usr/bin/python3
"""Speed of the frame and clip networks against torchvision's, one thread each.

    tests/bench/bench_clip.py [--program build/release/pairmill] [--network s3d] [--frames 32]

Both run in turn on the same weights and frames, several rounds, resizing included; the medians of
their CPU times are compared.  Prints the times, torch's over pairmill's, and pairmill's share of the
core's peak as bench_detector.py does.  Needs python3-torch and python3-torchvision.
"""
import argparse
import os
import subprocess
import tempfile

import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.models import ResNet50_Weights
from torchvision.models.video import R2Plus1D_18_Weights, R3D_18_Weights, S3D_Weights

from against_torch import compare, profile

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


def run_torch(net, preset, frames):
    if len(frames) == 1:
        return net(preset(Image.fromarray(frames[0]))[None])
    return net(preset(torch.from_numpy(frames).permute(0, 3, 1, 2))[None])


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
        cut = ["--clip", str(len(paths))] if len(paths) > 1 else []
        preset = weights.transforms()
        compare("%s, %d frames" % (args.network, len(paths)), folder, args.rounds,
                lambda: profile(args.program, model, paths * 3, cut),
                lambda: run_torch(net, preset, pixels))


if __name__ == "__main__":
    main()
