"""How far the norms of single narrow ReLU networks lie from the average over all of them."""

from collections.abc import Iterator

import numpy as np
import torch

from experiments.deep import Deep, Measured, Values, seeds
from ninja import theory
from ninja.engines import engine
from ninja.init import Generators
from ninja.net import draw
from ninja.probes.layers import Layers
from ninja.probes.snapshot import Snapshot
from ninja.replicas import stack
from ninja.types import Batch

WIDTH, DEPTH, NETWORKS = 50, 20, 500
"""Of each stack so many networks, and of each network one row."""
FIRST_ORDER = 5 * DEPTH / WIDTH
"""5 Σ 1/n."""


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    groups = [_logs(seed) for seed in seeds(0, 6 if quick else 32)]
    forward, backward = [of for of, _ in groups], [of for _, of in groups]
    return {
        "forward_mean": [float(one.mean()) for one in forward],
        "forward_variance": [float(one.var(ddof=1)) for one in forward],
        "first_order": [float(one.var(ddof=1)) / FIRST_ORDER for one in forward],
        "backward_mean": [float(one.mean()) for one in backward],
        "backward_variance": [float(one.var(ddof=1)) for one in backward],
    }


def predict() -> dict[str, float]:
    """The same by `ninja.theory`."""
    mean, variance = theory.log_norm([WIDTH] * DEPTH)
    back_mean, back_variance = theory.log_norm([WIDTH] * (DEPTH - 1))
    return {
        "forward_mean": mean,
        "forward_variance": variance,
        "first_order": variance / FIRST_ORDER,
        "backward_mean": back_mean,
        "backward_variance": back_variance,
    }


def _logs(seed: int) -> tuple[Values, Values]:
    """ln of a mean square at one end over that at the other, of every network of a stack.

    Forward from the input to the last activation, backward from the last activation to the first.
    """
    net, generators = Deep(DEPTH, WIDTH, "relu", 2.0, batch=1).net(), Generators.of(seed)
    params = stack([draw(net, generators) for _ in range(NETWORKS)])
    x, direction = torch.randn(2, NETWORKS, 1, WIDTH, generator=generators.run)
    trace = net.forward(params, Batch(x, direction))
    deltas = engine("manual_fused")(net, trace, "all").deltas
    snapshot = Snapshot(net, trace, deltas, params, deltas, 0.0, trace.loss.dim())
    plan = Layers(snapshot)
    values = plan(snapshot)

    def column(name: str) -> Iterator[Values]:
        for cell, value in zip(plan.cells, values, strict=True):
            if cell.node.endswith(".relu") and cell.column == name:
                yield value

    *_, mean = column("act_mean")
    *_, std = column("act_std")
    output = mean**2 + std**2 * (WIDTH - 1) / WIDTH  # of the unbiased deviation
    first, *_, last = column("delta_rms")
    inputs = x.double().square().mean((-2, -1)).numpy()
    return np.log(output / inputs), 2 * np.log(first / last)
