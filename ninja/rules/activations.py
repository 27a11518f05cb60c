"""Elementwise activations: y = φ(x), dx = φ′(x)·dy.

To add one, write one class here; networks, engines, `verify` and `gradcheck` find it by its name.
"""

import math
from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ninja.rules.base import Rule
from ninja.types import Tensors


class Activation(Rule, ABC):
    """An elementwise rule without parameters. ``(..., N, F)`` → ``(..., N, F)``."""

    name: ClassVar[str]
    gain: ClassVar[float]
    """What keeps a signal's scale through the layer as it is made by default
    (`torch.nn.init.calculate_gain`); 1 where there is no such number."""


@dataclass(frozen=True)
class Identity(Activation):
    """y = x, so dx = dy."""

    name = "identity"
    gain = 1.0

    def forward(self, params: Tensors, x: Tensor) -> Tensors:
        """x is (..., N, F)."""
        return {"y": x}

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (..., N, F)."""
        return dy, {}


@dataclass(frozen=True)
class Tanh(Activation):
    """y = tanh x, dx = (1 − y²)·dy: a gate, open at y = 0 and closed at y = ±1.

    With y = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ), the quotient rule gives 1 − y². It needs the output only.
    Source: makemore part 4, exercise 1.
    """

    name = "tanh"
    gain = 5 / 3

    def forward(self, params: Tensors, x: Tensor) -> Tensors:
        """x is (..., N, F)."""
        return {"y": x.tanh()}

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (..., N, F)."""
        y = saved["y"]
        # addcmul rounds 1 − y·y once, as the library's own kernel does; (1 - y**2) rounds twice,
        # and its last bit would spoil every exact row upstream.
        return torch.addcmul(y.new_ones(()), y, y, value=-1).mul_(dy), {}


@dataclass(frozen=True)
class Sigmoid(Activation):
    """y = 1/(1 + e⁻ˣ), dx = y (1 − y)·dy: at best a quarter of dy passes."""

    name = "sigmoid"
    gain = 1.0

    def forward(self, params: Tensors, x: Tensor) -> Tensors:
        """x is (..., N, F)."""
        return {"y": x.sigmoid()}

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (..., N, F)."""
        y = saved["y"]
        return (1 - y).mul_(dy).mul_(y), {}


@dataclass(frozen=True)
class ReLU(Activation):
    """y = max(x, 0): dy passes where y > 0 and stops elsewhere (at 0 too, as in torch)."""

    name = "relu"
    gain = math.sqrt(2)

    def forward(self, params: Tensors, x: Tensor) -> Tensors:
        """x is (..., N, F)."""
        return {"y": x.relu()}

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (..., N, F)."""
        return dy.masked_fill(saved["y"] <= 0, 0.0), {}


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """y = x where x > 0, slope·x elsewhere; dx = dy or slope·dy accordingly."""

    name = "leaky_relu"
    gain = math.sqrt(2 / (1 + 0.01**2))

    slope: float = 0.01

    def forward(self, params: Tensors, x: Tensor) -> Tensors:
        """x is (..., N, F)."""
        return {"x": x, "y": torch.nn.functional.leaky_relu(x, self.slope)}

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (..., N, F)."""
        return torch.where(saved["x"] > 0, dy, dy * self.slope), {}


@dataclass(frozen=True)
class GELU(Activation):
    """y = x Φ(x), with Φ(x) = ½ (1 + erf(x/√2)) the normal distribution function.

    Step by step: x goes to erf and to the product, so its two deltas add up::

        y = x · cdf           dcdf = dy·x       dx  = dy·cdf
        cdf = ½ (1 + erf)     derf = ½ dcdf
        erf = erf(u)          du  = derf · (2/√π) e^(−u²)
        u   = x/√2            dx += du/√2

    Fused: dx = (Φ(x) + x φ(x))·dy, φ(x) = e^(−x²/2)/√(2π) the normal density.
    Source: Hendrycks & Gimpel 2016, equation 2.
    """

    name = "gelu"
    gain = 1.0

    def forward(self, params: Tensors, x: Tensor) -> Tensors:
        """x is (..., N, F)."""
        u = x * math.sqrt(0.5)
        erf = u.erf()
        cdf = (erf + 1) * 0.5
        return {"x": x, "u": u, "erf": erf, "cdf": cdf, "y": x * cdf}

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (..., N, F)."""
        u = saved["u"]
        dcdf = dy * saved["x"]
        derf = dcdf * 0.5
        du = (2 / math.sqrt(math.pi)) * torch.exp(-u.square()) * derf
        dx = dy * saved["cdf"] + du * math.sqrt(0.5)
        return dx, {"cdf": dcdf, "erf": derf, "u": du}

    def backward_fused(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (..., N, F)."""
        x = saved["x"]
        pdf = torch.exp(-0.5 * x.square()).mul_(1 / math.sqrt(2 * math.pi))
        return torch.addcmul(saved["cdf"], x, pdf).mul_(dy), {}


def activations() -> dict[str, type[Activation]]:
    """Every activation there is, by its name in a config."""
    return {activation.name: activation for activation in Activation.__subclasses__()}
