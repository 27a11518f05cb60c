"""Deep networks before the first step, by our own rules, engines and probes.

h_l = W_l φ(h_{l−1}) + b_l with W ~ N(0, σw²/fan_in), b ~ N(0, σb²), perhaps a norm after it. The
inputs are numbers, and the loss is their last output times random directions: every delta of the
last layer is N(0, 1), whatever the forward has done.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from ninja.engines import engine
from ninja.init import Constant, Fill, Generators, Normal, Orthogonal
from ninja.net import Net, Node, draw
from ninja.probes.layers import Layers
from ninja.probes.snapshot import Snapshot
from ninja.rules import Linear, Rule, activations
from ninja.types import Batch, Deltas, Params, Tensors, Trace

Values = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Project(Rule):
    """loss = Σ x·direction.  ``(..., N, F)`` → ``(...)``. Its delta is the direction."""

    def forward(self, params: Tensors, x: Tensor, direction: Tensor) -> Tensors:
        """x and direction are (..., N, F)."""
        return {"direction": direction, "y": (x * direction).sum((-2, -1))}

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (...)."""
        return saved["direction"] * dy[..., None, None], {}


@dataclass(frozen=True)
class Deep:
    """A stack of layers of one width.

    Attributes:
        depth: layers.
        width: units of each, and of the input.
        activation: of `ninja.rules.activations`.
        weight_variance: σw², of fan_in weights together.
        bias_variance: σb².
        norm: makes the rule after each linear layer, of so many features; none without.
        orthogonal: weights are orthogonal, with the same σw².
        batch: rows.
    """

    depth: int
    width: int
    activation: str
    weight_variance: float
    bias_variance: float = 0.0
    norm: Callable[[int], Rule] | None = None
    orthogonal: bool = False
    batch: int = 32

    def net(self) -> Net:
        """Its nodes: per layer ``linear``, perhaps ``norm``, and the activation."""
        nodes: list[Node] = []

        def add(kind: str, rule: Rule, *inputs: str, **fills: Fill) -> str:
            name = f"{len(nodes):04d}.{kind}"
            nodes.append(Node(name, rule, inputs, fills))
            return name

        std, fan_in = math.sqrt(self.weight_variance), math.sqrt(self.width)
        weights: Fill = Orthogonal(std) if self.orthogonal else Normal(std, fan_in)
        biased, last = self.bias_variance > 0, "tokens"
        fills: dict[str, Fill] = {"W": weights}
        if biased:
            fills["b"] = Normal(math.sqrt(self.bias_variance))
        for _ in range(self.depth):
            last = add("linear", Linear(self.width, self.width, biased), last, **fills)
            if self.norm is not None:
                rule = self.norm(self.width)
                last = add("norm", rule, last, gain=Constant(1.0), bias=Constant(0.0))
            last = add(self.activation, activations()[self.activation](), last)
        add("loss", Project(), last, "targets")
        return Net(tuple(nodes))


@dataclass(frozen=True)
class Passed:
    """One forward and backward of one network.

    Attributes:
        net: that was passed.
        trace: of the forward.
        deltas: of everything.
        columns: of the probe, by node, tensor and column.
    """

    net: Net
    trace: Trace
    deltas: Deltas
    columns: dict[tuple[str, str, str], float]

    def layers(self, kind: str, column: str, tensor: str = "y") -> Values:
        """A column of all nodes of a kind, the first layer first."""
        found = [
            value
            for (node, of, name), value in self.columns.items()
            if node.endswith(f".{kind}") and of == tensor and name == column
        ]
        return np.array(found)


def passed(deep: Deep, x: Tensor, seed: int, direction: Tensor | None = None) -> Passed:
    """Draw a network, and pull random directions back through it.

    Args:
        deep: what network.
        x: (batch, width), its inputs.
        seed: of its weights and directions.
        direction: (batch, width) in place of the random ones.
    """
    net, generators = deep.net(), Generators.of(seed)
    params = draw(net, generators, x.dtype)
    if direction is None:
        direction = torch.randn(x.shape, generator=generators.run, dtype=x.dtype)
    return pulled(net, params, Batch(x, direction))


def pulled(net: Net, params: Params, batch: Batch) -> Passed:
    """One forward and backward of any network and parameters, and what the probe sees of it."""
    trace = net.forward(params, batch)
    deltas = engine("manual_fused")(net, trace, "all").deltas
    snapshot = Snapshot(net, trace, deltas, params, deltas, 0.0, trace.loss.dim())
    plan = Layers(snapshot)
    values: list[float] = plan(snapshot).tolist()
    cells = ((cell.node, cell.tensor, cell.column) for cell in plan.cells)
    return Passed(net, trace, deltas, dict(zip(cells, values, strict=True)))


def normal(rows: int, width: int, seed: int, variance: float = 1.0) -> Tensor:
    """(rows, width) inputs, N(0, variance), of a generator of their own."""
    generator = Generator().manual_seed(seed + (1 << 31))
    return torch.randn(rows, width, generator=generator) * math.sqrt(variance)


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix that is so in float64: one that was drawn in float32 is so to 1e-7.

    Two of Newton's steps square that distance twice.
    """
    matrix = matrix.double()
    for _ in range(2):
        matrix = 1.5 * matrix - 0.5 * matrix @ matrix.mT @ matrix
    return matrix


def growth(squares: Values, first: int, last: int) -> float:
    """The factor by which something falls from a layer to the one before it.

    Args:
        squares: of every layer, the first one first.
        first: layer of the fit, from 1.
        last: layer of the fit.

    Returns:
        exp(−slope) of a straight line through log(squares) against depth.
    """
    depth = np.arange(first, last + 1)
    slope = np.polyfit(depth, np.log(squares[first - 1 : last]), 1)[0]
    return math.exp(-slope)


def seeds(configuration: int, count: int) -> Iterator[int]:
    """Seeds that no other configuration of a study has."""
    return iter(range(10_000 * (configuration + 1), 10_000 * (configuration + 1) + count))


Measured = dict[str, Sequence[float]]
"""One value a seed, by the claim's name."""
