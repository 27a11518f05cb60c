"""How far the Jacobian of a deep network is from an isometry: the spread of its squared values."""

from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.deep import Deep, Measured, normal, orthogonal, pulled, seeds
from ninja import theory
from ninja.init import Generators
from ninja.net import draw
from ninja.theory.isometry import Ensemble
from ninja.types import Batch

WIDTH = 400


@dataclass(frozen=True)
class Setting:
    """A network whose Jacobian is measured.

    Attributes:
        activation: of every layer.
        depth: weight matrices, and gates, that the Jacobian passes.
        ensemble: of the weights.
        weight_variance: σw².
        bias_variance: σb².
        networks: to draw for a whole measurement.
    """

    activation: str
    depth: int
    ensemble: Ensemble
    weight_variance: float = 1.0
    bias_variance: float = 0.0
    networks: int = 8

    @property
    def q(self) -> float:
        """The variance of the pre-activations, the same in all layers."""
        if self.activation != "tanh":
            return 1.0  # any would do: the slopes do not depend on it
        return theory.fixed_point(self.weight_variance, self.bias_variance, self.activation)


EXACT = Setting("identity", 32, "orthogonal")
SETTINGS = {
    "linear_8": Setting("identity", 8, "gaussian"),
    "linear_16": Setting("identity", 16, "gaussian"),
    "linear_32": Setting("identity", 32, "gaussian", networks=16),
    "tanh_0.0025": Setting("tanh", 16, "orthogonal", 1.26009, 0.0025),
    "tanh_0.05": Setting("tanh", 16, "orthogonal", 1.76095, 0.05),
    "relu_orthogonal": Setting("relu", 8, "orthogonal", 2.0),
    "relu_gaussian": Setting("relu", 8, "gaussian", 2.0),
}


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    found: Measured = {}
    for number, (name, setting) in enumerate(SETTINGS.items()):
        count = 3 if quick else setting.networks
        found[name] = [_spread(_jacobian(setting, seed)) for seed in seeds(number, count)]
    found["exact"] = [
        _furthest(_jacobian(EXACT, seed, torch.float64))
        for seed in seeds(len(SETTINGS), 1 if quick else 3)
    ]
    return found


def predict() -> dict[str, float]:
    """The same by `ninja.theory`."""
    found: dict[str, float] = {}
    for name, one in (SETTINGS | {"exact": EXACT}).items():
        layers = [one.q] * one.depth
        found[name] = theory.jacobian_variance(layers, one.activation, one.ensemble)
    return found


def _jacobian(setting: Setting, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """∂(last output)/∂(first output), a row each: as many rows of one input as there are units."""
    deep = Deep(
        setting.depth + 1,  # the first one only makes the input, the Jacobian begins behind it
        WIDTH,
        setting.activation,
        setting.weight_variance,
        setting.bias_variance,
        orthogonal=setting.ensemble == "orthogonal",
        batch=WIDTH,
    )
    net = deep.net()
    params = draw(net, Generators.of(seed), dtype)
    if dtype == torch.float64:
        params = {
            node: {name: orthogonal(matrix) for name, matrix in tensors.items()}
            for node, tensors in params.items()
        }
    x = normal(1, WIDTH, seed, setting.q)
    if setting.activation == "tanh":
        x = x.tanh()  # the first pre-activations have the variance q at once
    rows = x.to(dtype).expand(WIDTH, WIDTH)
    found = pulled(net, params, Batch(rows, torch.eye(WIDTH, dtype=dtype)))
    first = next(node.name for node in net.nodes if node.name.endswith(setting.activation))
    return found.deltas[first]["y"].double()


def _spread(jacobian: Tensor) -> float:
    """The variance of the eigenvalues of J Jᵀ over their squared mean."""
    squares = torch.linalg.svdvals(jacobian) ** 2
    return float(squares.var(correction=0) / squares.mean() ** 2)


def _furthest(jacobian: Tensor) -> float:
    """The distance from 1 of the singular value that is furthest from it."""
    return float((torch.linalg.svdvals(jacobian) - 1).abs().max())
