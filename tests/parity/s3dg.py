"""S3D-G as trained with MIL-NCE on HowTo100M (antoine77340/S3D_HowTo100M), in double precision.

Written from the description of its layers: weights are a dictionary of arrays under the published
names, activations are tensors [channels][frames][height][width].
"""
import numpy as np
import torch
import torch.nn.functional as F

EPS = 1e-5
# block: channels of b0, b1_a, b1_b, b2_a, b2_b, b3_b
BLOCKS = {
    "mixed_3b": (64, 96, 128, 16, 32, 32), "mixed_3c": (128, 128, 192, 32, 96, 64),
    "mixed_4b": (192, 96, 208, 16, 48, 64), "mixed_4c": (160, 112, 224, 24, 64, 64),
    "mixed_4d": (128, 128, 256, 24, 64, 64), "mixed_4e": (112, 144, 288, 32, 64, 64),
    "mixed_4f": (256, 160, 320, 32, 128, 128), "mixed_5b": (256, 160, 320, 32, 128, 128),
    "mixed_5c": (384, 192, 384, 48, 128, 128)}
EMBEDDING = 512


class Weights(dict):
    """Seeded random weights.  `fit` makes normalise() set the statistics to those of what passes
    through, so that activations keep their scale through all layers."""

    def __init__(self, seed):
        super().__init__()
        self.random = np.random.default_rng(seed)
        self.fit = False
        self.conv("conv1", 1, 24, 64, (2, 4, 4))
        self.conv("conv_2b", 1, 64, 64, (1, 1, 1))
        self.separable("conv_2c", 64, 192)
        self.gate("gating", 192)
        wide = 192
        for name, (b0, b1a, b1b, b2a, b2b, b3) in BLOCKS.items():
            self.conv(name + ".conv_b0", 1, wide, b0, (1, 1, 1))
            self.conv(name + ".conv_b1_a", 1, wide, b1a, (1, 1, 1))
            self.separable(name + ".conv_b1_b", b1a, b1b)
            self.conv(name + ".conv_b2_a", 1, wide, b2a, (1, 1, 1))
            self.separable(name + ".conv_b2_b", b2a, b2b)
            self.conv(name + ".conv_b3_b", 1, wide, b3, (1, 1, 1))
            for i, width in enumerate((b0, b1b, b2b, b3)):
                self.gate("%s.gating_b%d" % (name, i), width)
            wide = b0 + b1b + b2b + b3
        self.linear("fc", wide, EMBEDDING, 1.0)

    def normal(self, name, shape, deviation):
        self[name] = (deviation * self.random.standard_normal(shape)).astype(np.float32)

    def conv(self, name, i, wide_in, wide_out, kernel):
        self.normal("%s.conv%d.weight" % (name, i), (wide_out, wide_in) + kernel,
                    np.sqrt(2 / (wide_in * np.prod(kernel))))
        bn = "%s.bn%d." % (name, i)
        self[bn + "weight"] = self.random.uniform(0.5, 1.5, wide_out).astype(np.float32)
        self[bn + "bias"] = self.random.normal(0.7, 0.3, wide_out).astype(np.float32)
        self[bn + "running_mean"] = np.zeros(wide_out, np.float32)
        self[bn + "running_var"] = np.ones(wide_out, np.float32)

    def separable(self, name, wide_in, wide_out):
        self.conv(name, 1, wide_in, wide_out, (1, 3, 3))
        self.conv(name, 2, wide_out, wide_out, (3, 1, 1))

    def linear(self, name, wide_in, wide_out, gain):
        self.normal(name + ".weight", (wide_out, wide_in), gain / np.sqrt(wide_in))
        self.normal(name + ".bias", wide_out, 0.3)

    def gate(self, name, width):
        self.linear(name + ".fc", width, width, 2.0)

    def state(self):
        """The state dictionary as published: with counters, and with the half that reads captions."""
        state = {name: torch.from_numpy(value) for name, value in self.items()}
        for name in self:
            if name.endswith("running_var"):
                state[name.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
        state["text_module.word_embd.weight"] = torch.zeros(10, 300)
        state["text_module.fc1.weight"] = torch.zeros(2048, 300)
        state["text_module.fc1.bias"] = torch.zeros(2048)
        return state

    def get64(self, name):
        return torch.from_numpy(self[name].astype(np.float64))

    def normalise(self, name, x):
        if self.fit:
            spread = self.random.uniform(0.7, 1.4, len(x))
            self[name + ".running_mean"] = x.mean((1, 2, 3)).numpy().astype(np.float32)
            self[name + ".running_var"] = (x.var((1, 2, 3)).numpy() * spread).astype(np.float32)
        mean, var = self.get64(name + ".running_mean"), self.get64(name + ".running_var")
        scale = self.get64(name + ".weight") / torch.sqrt(var + EPS)
        shift = self.get64(name + ".bias") - mean * scale
        return x * scale[:, None, None, None] + shift[:, None, None, None]


def unit(w, name, i, x, pad=(0, 0, 0)):
    """Convolution, batch norm, ReLU."""
    y = F.conv3d(x[None], w.get64("%s.conv%d.weight" % (name, i)), padding=pad)[0]
    return w.normalise("%s.bn%d" % (name, i), y).relu()


def separable(w, name, x):
    return unit(w, name, 2, unit(w, name, 1, x, (0, 1, 1)), (1, 0, 0))


def gated(w, name, x):
    z = w.get64(name + ".fc.weight") @ x.mean((1, 2, 3)) + w.get64(name + ".fc.bias")
    return x * torch.sigmoid(z)[:, None, None, None]


def pool(x, kernel, stride):
    """Zeros behind each axis as the kernel is longer than the stride; the last window may be cut."""
    behind = [k - s for k, s in zip(kernel, stride)]
    x = F.pad(x[None], (0, behind[2], 0, behind[1], 0, behind[0]))
    return F.max_pool3d(x, kernel, stride, ceil_mode=True)[0]


def block(w, name, x):
    b1 = separable(w, name + ".conv_b1_b", unit(w, name + ".conv_b1_a", 1, x))
    b2 = separable(w, name + ".conv_b2_b", unit(w, name + ".conv_b2_a", 1, x))
    b3 = unit(w, name + ".conv_b3_b", 1, F.max_pool3d(x[None], 3, 1, 1)[0])
    branches = (unit(w, name + ".conv_b0", 1, x), b1, b2, b3)
    return torch.cat([gated(w, "%s.gating_b%d" % (name, i), b) for i, b in enumerate(branches)])


def stem(w, x):
    """Cubes of 2x2x2 pixels become channels (time, row, column, colour), then conv1, whose first
    row, column and frame are dropped."""
    c, t, h, wide = x.shape
    cubes = np.empty((8 * c, t // 2, h // 2, wide // 2))
    for i in range(2):
        for j in range(2):
            for k in range(2):
                at = (4 * i + 2 * j + k) * c
                cubes[at:at + c] = x[:, i::2, j::2, k::2]
    return unit(w, "conv1", 1, torch.from_numpy(cubes), (1, 2, 2))


def forward(w, x):
    """x: [3][T][H][W] in [0, 1].  (mixed_5c's mean [1024], embedding [512])"""
    # The dropped places do not enter the statistics of batch norm, which are fixed; when fitting
    # they may.
    x = stem(w, x)[:, 1:, 1:, 1:]
    x = unit(w, "conv_2b", 1, pool(x, (1, 3, 3), (1, 2, 2)))
    x = pool(gated(w, "gating", separable(w, "conv_2c", x)), (1, 3, 3), (1, 2, 2))
    for name in BLOCKS:
        if name == "mixed_4b":
            x = pool(x, (3, 3, 3), (2, 2, 2))
        if name == "mixed_5b":
            x = pool(x, (2, 2, 2), (2, 2, 2))
        x = block(w, name, x)
    feature = x.mean((1, 2, 3))
    embedding = w.get64("fc.weight") @ feature + w.get64("fc.bias")
    return feature.numpy(), embedding.numpy()


def fit(w, x):
    """Sets the statistics of every batch norm from the clip x."""
    w.fit = True
    forward(w, x)
    w.fit = False
