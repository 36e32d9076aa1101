"""Frame and clip networks against torchvision's own graphs, and S3D-G against one written here."""
import os
import re
import subprocess
import tempfile

import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.models import ResNet50_Weights
from torchvision.models.video import R3D_18_Weights, S3D_Weights

from figures import Figures
import photos
import s3dg

TOLERANCE = 1e-4  # of the largest magnitude, of features and of class scores
PHOTOS = 24


class Work:
    """A program and a folder for what it reads and writes."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *arguments):
        return subprocess.run([self.program] + list(arguments), stdout=subprocess.PIPE,
                              check=True).stdout.decode()

    def imported(self, name, state):
        """The model file made of a state dictionary, by way of a .pth file."""
        torch.save(state, self.path(name + ".pth"))
        model = self.path(name + ".safetensors")
        self.run("model", "import", self.path(name + ".pth"), "-o", model, "--arch", name)
        return model

    def features(self, model, images):
        """Runs the program on all images; what --npz wrote of the i-th is features(...)(i)."""
        out = self.path("npz")
        self.run("detect", "--model", model, "--npz", out, "--json", *images)

        def read(i):
            name = os.path.splitext(os.path.basename(images[i]))[0] + ".npz"
            return dict(np.load(os.path.join(out, name)))

        return read


RESIDUAL = 0.4  # gain of a residual block's branch


def randomise(net, x, seed):
    """He weights, and batch norm whose statistics are nearly those of x passing through.

    Deep random networks of ReLUs behind batch norm multiply every rounding error a hundredfold, in
    torch as anywhere; a trained network does not.  Biases that leave three units of four in their
    linear range, and residual branches that add less than they are given, keep that factor near 1.
    """
    torch.manual_seed(seed)
    for module in net.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Conv3d)):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)):
            module.momentum = 1.0
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0.7, 0.3)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torchvision.models.resnet.Bottleneck):
                module.bn3.weight *= RESIDUAL
            if isinstance(module, torchvision.models.video.resnet.BasicBlock):
                module.conv2[1].weight *= RESIDUAL
        net.train()
        net(x)
        net.eval()
        for module in net.modules():
            if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)):
                module.running_var *= torch.empty_like(module.running_var).uniform_(0.7, 1.4)
        spread_classes(net, net(x))
    return net


def spread_classes(net, scores):
    """Makes some classes likely: the last layer's scores get a deviation of 3."""
    last = [m for m in net.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv3d))][-1]
    last.weight *= 3 / scores.std()


def compare(figures, where, got, want):
    for key, value in want.items():
        largest = np.abs(value).max()
        figures.add(key, (got[key] - value) / largest, TOLERANCE, where)


def captured(net, layer, x):
    """The output of one layer, and of the network after a softmax."""
    seen = []
    hook = layer.register_forward_hook(lambda module, given, result: seen.append(result))
    with torch.no_grad():
        scores = torch.softmax(net(x), 1)
    hook.remove()
    return seen[0], scores.numpy()


# ---- costs ----

def check_cost(figures, work, model, net, frames, size, parameters, gmac):
    """Parameters before folding (a folded batch norm keeps one number a channel of two), and
    multiply-accumulates, as torchvision publishes them."""
    shown = work.run("model", "show", "--frames", str(frames), "--size", size, model)
    folded = int(re.search(r"^parameters +(\d+)", shown, re.M).group(1))
    batch_norms = [m for m in net.modules()
                   if isinstance(m, (torch.nn.BatchNorm2d, torch.nn.BatchNorm3d))]
    figures.add("parameters", folded + sum(len(m.weight) for m in batch_norms) - parameters, 0,
                model)
    cost = float(re.search(r"^cost +([\d.]+) GMAC", shown, re.M).group(1))
    figures.add("GMAC", cost - gmac, 0.0011, model)


def check_names(figures, work, model, weights):
    """An imported model knows its classes by torchvision's names."""
    shown = work.run("model", "show", "--vocabulary", model)
    names = re.search(r"^classes +\d+: (.*)$", shown, re.M).group(1).split(", ")
    figures.add("class names", float(names != weights.meta["categories"]), 0, model)


# ---- frames ----

def check_resnet(work, name, images, parameters, gmac):
    preset = ResNet50_Weights.IMAGENET1K_V1.transforms()
    inputs = [preset(Image.open(path).convert("RGB")) for path in images]
    net = randomise(getattr(torchvision.models, name.replace("-", ""))(), torch.stack(inputs[:6]), 1)
    model = work.imported(name, net.state_dict())
    figures = Figures()
    got = work.features(model, images)
    for i, (path, x) in enumerate(zip(images, inputs)):
        pooled, scores = captured(net, net.avgpool, x[None])
        compare(figures, path, got(i), {"features": pooled.flatten(1).numpy(), "scores": scores})
    check_cost(figures, work, model, net, 1, "256x256", parameters, gmac)
    check_names(figures, work, model, ResNet50_Weights.IMAGENET1K_V1)
    return figures.report("%s, %d images" % (name, len(images)))


# ---- clips ----

def clip_of(frames, preset):
    """frames: [T][h][w][3], left interleaved as a decoder gives them."""
    return preset(torch.from_numpy(frames).permute(0, 3, 1, 2))[None]


def check_clips(work, name, net, weights, unlike, clips, cost):
    preset = weights.transforms()
    net = randomise(net, clip_of(unlike, preset), 2)
    model = work.imported(name, net.state_dict())
    figures = Figures()
    for paths in clips:
        frames = np.stack([photos.read_rgb(path) for path in paths])
        pooled, scores = captured(net, net.avgpool, clip_of(frames, preset))
        compare(figures, "%d frames" % len(paths), work.features(model, paths)(0),
                {"features": pooled.mean((2, 3, 4)).numpy(), "scores": scores})
    check_cost(figures, work, model, net, 16, "320x240", *cost)
    check_names(figures, work, model, weights)
    return figures.report("%s, %d clips" % (name, len(clips)))


def check_s3dg(work, unlike, clips):
    def read(frames):
        resize = torchvision.transforms.Resize(224)
        crop = torchvision.transforms.CenterCrop(224)
        frames = [np.asarray(crop(resize(Image.fromarray(frame)))) for frame in frames]
        return np.stack(frames).transpose(3, 0, 1, 2).astype(np.float64) / 255

    weights = s3dg.Weights(3)
    s3dg.fit(weights, read(unlike))
    model = work.imported("s3dg-howto100m", weights.state())
    figures = Figures()
    for paths in clips:
        feature, embedding = s3dg.forward(weights, read([photos.read_rgb(path) for path in paths]))
        compare(figures, "%d frames" % len(paths), work.features(model, paths)(0),
                {"features": feature, "embedding": embedding})
    return figures.report("s3dg-howto100m, %d clips" % len(clips))


def make_clips(work, images, shapes):
    return [photos.clip(work.path("clip-%d" % i), images[i % len(images)], *shape)
            for i, shape in enumerate(shapes)]


def run(program, model=None, images=None):
    """Returns (passed, failed)."""
    torch.set_num_threads(1)
    video = torchvision.models.video
    with tempfile.TemporaryDirectory() as folder:
        work = Work(program, folder)
        images = images or photos.find_photos(folder, PHOTOS)
        results = [
            check_resnet(work, "resnet-50", images, 25557032, 4.089),
            check_resnet(work, "resnet-101", images, 44549160, 7.801),
            check_resnet(work, "resnet-152", images, 60192808, 11.514)]
        unlike = photos.montage(images[:16], 320, 240)
        clips = make_clips(work, images, [(16, 320, 240), (14, 256, 256), (33, 200, 300)])
        results.append(check_clips(work, "s3d", video.s3d(), S3D_Weights.DEFAULT,
                                   unlike, clips, (8320048, 17.979)))
        clips = make_clips(work, images, [(16, 320, 240), (1, 171, 128), (7, 100, 90), (24, 64, 200)])
        for name, net, cost in (("r3d-18", video.r3d_18(), (33371472, 40.697)),
                                ("r2plus1d-18", video.r2plus1d_18(), (31505325, 40.519))):
            results.append(check_clips(work, name, net, R3D_18_Weights.DEFAULT,
                                       unlike, clips, cost))
        clips = make_clips(work, images, [(16, 320, 240), (2, 240, 240), (22, 230, 300)])
        results.append(check_s3dg(work, unlike, clips))
    return sum(p for p, _ in results), sum(f for _, f in results)
