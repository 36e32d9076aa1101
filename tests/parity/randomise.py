"""Random weights under which a network behaves as a trained one does: activations keep their size from
layer to layer, and scores differ from place to place and from class to class.

Layers are drawn once and then scaled, in the order in which a forward pass on one image meets them, so
that their outputs get the deviation asked for; the last layers are centred, too, or every region would
look alike.
"""
import torch


def randomise(network, forward, deviations, seed=1):
    """`deviations`: [(part of the layer's name, deviation of its outputs, centred)], the first match
    counts; others get a deviation of 1.  `forward()` runs the network."""
    generator = torch.Generator().manual_seed(seed)

    def normal(shape, mean=0.0, deviation=1.0):
        return torch.randn(shape, generator=generator, dtype=torch.float64) * deviation + mean

    for name, module in network.named_modules():
        if hasattr(module, "running_var"):
            module.running_mean.copy_(normal(module.running_mean.shape, 0, 0.1))
            module.running_var.copy_(normal(module.running_var.shape).abs() * 0.3 + 0.6)
            module.weight.data.copy_(normal(module.weight.shape, 1, 0.1))
            module.bias.data.copy_(normal(module.bias.shape, 0, 0.1))
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.weight.data.copy_(normal(module.weight.shape))
            if module.bias is not None:
                module.bias.data.copy_(normal(module.bias.shape, 0, 0.1))
            deviation, centred = next(((d, c) for part, d, c in deviations if part in name),
                                      (1.0, False))
            hooks.append(module.register_forward_hook(scaling_hook(deviation, centred)))
    with torch.no_grad():
        forward()
    for hook in hooks:
        hook.remove()


def scaling_hook(deviation, centred):
    seen = []

    def hook(module, inputs, output):
        if seen:
            return output
        seen.append(True)
        flat = output.transpose(0, 1).flatten(1) if output.dim() == 4 else output.T
        bias = 0 if module.bias is None else module.bias.data
        plain = flat - (bias[:, None] if module.bias is not None else 0)
        middle = plain.mean(1) if centred else torch.zeros_like(plain[:, 0])
        factor = deviation / (plain - middle[:, None]).std()
        module.weight.data *= factor
        if module.bias is not None and centred:
            module.bias.data -= middle * factor
        shape = (1, -1, 1, 1) if output.dim() == 4 else (1, -1)
        new = (plain * factor).view(flat.shape)
        new = new + (module.bias.data[:, None] if module.bias is not None else 0)
        return (new.view(output.shape[1], output.shape[0], *output.shape[2:]).transpose(0, 1)
                if output.dim() == 4 else new.T).contiguous()
    return hook
