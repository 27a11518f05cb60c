"""A step of a sequential classifier, and its numbers by torch in float64, one after the other."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 (the name the field gives it)
from torch import Tensor, nn

Found = dict[tuple[str, str, str], float]
"""By node, tensor and column."""

SLOPES: dict[type[nn.Module], Callable[[Tensor], Tensor]] = {
    nn.Tanh: lambda x: 1 - x.tanh() ** 2,
    nn.Sigmoid: lambda x: 4 * x.sigmoid() * (1 - x.sigmoid()),  # over its largest
    nn.ReLU: lambda x: (x > 0).to(x.dtype),
}


def rows_of(t: Tensor, layer: nn.Module) -> Tensor:
    """(N, F)."""
    spatial = t.dim() == 4 and not isinstance(layer, nn.Linear)
    t = t.movedim(1, -1) if spatial else t
    return t.reshape(-1, t.shape[-1])


def step(model: nn.Sequential, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Found:
    """Make one, and return all there is to see, as a closer look has it."""
    optimizer.zero_grad()
    outputs: list[tuple[str, nn.Module, Tensor, Tensor]] = []
    values: list[Tensor] = []
    for name, layer in model.named_children():
        before = x
        x = layer(x)
        x.retain_grad()
        outputs.append((name, layer, before, x))
        values.append(x.detach().clone())
    F.cross_entropy(x, y).backward()
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    optimizer.step()
    found: Found = {}
    for name, p in model.named_parameters():
        node, _, key = name.rpartition(".")
        found[node, key, "weight_norm"] = p.detach().double().norm().item()
        if name in grads:
            found[node, key, "grad_norm"] = grads[name].double().norm().item()
        if p.dim() > 1 and name in grads:
            moved = (p.detach() - weights[name]).double().std(correction=0)
            spread = p.detach().double().std(correction=0)
            found[node, key, "update_ratio"] = math.log10(moved / spread)
    for (name, layer, read, out), value in zip(outputs, values, strict=True):
        found |= _output(name, layer, read, out, value)
    return found


def _output(name: str, layer: nn.Module, read: Tensor, out: Tensor, value: Tensor) -> Found:
    value = value.double()
    found = {
        (name, "y", "act_mean"): value.mean().item(),
        (name, "y", "act_std"): value.std().item(),
    }
    if out.grad is not None:
        found[name, "y", "delta_rms"] = out.grad.double().square().mean().sqrt().item()
    if type(layer) in SLOPES:
        x, y = rows_of(read.detach(), layer), rows_of(value, layer)
        slope = SLOPES[type(layer)](x.double())
        found[name, "y", "gate"] = (slope.mean(0) < 0.1).double().mean().item()
        found[name, "y", "linear"] = (x.abs() < 0.1).double().mean().item()
        twins = [
            any(torch.equal(a, b) for b in [*y.T[:i], *y.T[i + 1 :]]) for i, a in enumerate(y.T)
        ]
        found[name, "y", "twins"] = sum(twins) / len(twins)
        if isinstance(layer, (nn.Tanh, nn.Sigmoid)):
            size = (2 * y - 1 if isinstance(layer, nn.Sigmoid) else y).abs()
            found[name, "y", "saturated"] = (size > 0.97).double().mean().item()
        if read.grad is not None:
            dx = rows_of(read.grad, layer)
            found[name, "y", "dead"] = (dx == 0).all(0).double().mean().item()
    return found
