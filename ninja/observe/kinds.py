"""What modules and functions of torch are called in a record, and where their features lie."""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from ninja.rules import GELU, ReLU, Rule, Sigmoid, Tanh

ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.CELU: "celu",
    nn.ELU: "elu",
    nn.GELU: "gelu",
    nn.Hardsigmoid: "hardsigmoid",
    nn.Hardswish: "hardswish",
    nn.Hardtanh: "hardtanh",
    nn.LeakyReLU: "leaky_relu",
    nn.Mish: "mish",
    nn.PReLU: "prelu",
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.RReLU: "rrelu",
    nn.SELU: "selu",
    nn.Sigmoid: "sigmoid",
    nn.SiLU: "silu",
    nn.Softplus: "softplus",
    nn.Softsign: "softsign",
    nn.Tanh: "tanh",
}
"""Elementwise activations, by the name that torch's function and our rule has."""

GATES: dict[str, Rule] = {"tanh": Tanh(), "sigmoid": Sigmoid()}
"""Those that saturate."""

FLAT: dict[str, Rule] = {**GATES, "relu": ReLU(), "gelu": GELU()}
"""Those that have flat parts."""


def activation(module: nn.Module) -> str:
    """The name of an activation; empty for any other module."""
    for kind in type(module).__mro__:
        if kind in ACTIVATIONS:
            return ACTIVATIONS[kind]
    return ""


@cache
def functions() -> dict[Any, str]:
    """The activations as functions and methods, in place or not."""
    found: dict[Any, str] = {}
    for name in set(ACTIVATIONS.values()):
        for where in (torch, nn.functional, Tensor):
            for spelled in (name, f"{name}_"):
                if callable(function := getattr(where, spelled, None)):
                    found[function] = name
    return found


def features(module: nn.Module | None, y: Tensor, inherited: int | None) -> int:
    """The dimension of an output that counts its units.

    Convolutions and batch norms have channels, what keeps its input's shape has its features, and
    everything else is taken to have them last, but for images.

    Args:
        module: that made it; none for a function.
        y: its output.
        inherited: the dimension of its input's features, from the end, if it kept their shape.

    Returns:
        Counted from the end: −1 for the last.
    """
    if isinstance(module, _ConvNd):
        return -1 - len(module.kernel_size)
    if isinstance(module, (_NormBase, nn.GroupNorm)):
        return 1 - y.dim() if y.dim() > 1 else -1
    if isinstance(module, (nn.Linear, nn.LayerNorm, nn.Embedding, nn.RNNBase)):
        return -1
    if inherited is not None:
        return inherited
    return -1 if y.dim() < 4 else 1 - y.dim()
