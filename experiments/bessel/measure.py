"""BatchNorm by n and by n − 1: in training, in what it keeps, and in what its deltas become."""

import itertools
from collections import defaultdict
from functools import partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from experiments.deep import Deep, Measured, growth, normal, passed, seeds
from ninja import theory
from ninja.rules import BatchNorm
from ninja.types import Tensors

DIVISORS = {"bessel": True, "biased": False}
FEATURES, STEPS, MOMENTUM, ROWS = 200, 700, 0.01, 4096
MEAN, DEVIATION = 0.5, 1.5
VARIANCES = (4, 32)
PAIRS = {"lecture": (True, True), "torch": (False, True), "biased": (False, False)}
"""Bessel's correction in training, and in the running variance."""
CLAIMED = {
    "variance": {"lecture": (4, 32), "biased": (4, 32)},
    "running": {"lecture": (4, 32), "biased": (4, 32)},
    "spread": {"lecture": (4, 32), "torch": (4, 32), "biased": (4, 32)},
    "gap": {"lecture": (4, 8, 32, 128), "torch": (4, 8, 32)},
    "delta": {"lecture": (8, 32), "torch": (8, 32)},
}
"""Sizes of batch that each of `Seen` is claimed for."""
SWAPPED, WIDE = (8, 64), 20_000
DEPTH, WIDTH, FIRST, LAST = 20, 600, 3, 18
GROWTHS = (8, 16)


class Seen(NamedTuple):
    """One BatchNorm, trained on batches of Gaussian numbers and then evaluated.

    Attributes:
        variance: mean over the last batches' variances, over the true one.
        running: mean of the running variances, over the true one.
        spread: mean square of the outputs, evaluated over trained.
        gap: mean square of the distance between an output evaluated and trained.
        delta: mean square of ∂x, trained over evaluated, of the same directions.
    """

    variance: float
    running: float
    spread: float
    gap: float
    delta: float


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    found, count = dict[str, list[float]](), 2 if quick else 6
    configurations = itertools.count()
    for (pair, rows), wanted in _wanted().items():
        runs = [_seen(rows, *PAIRS[pair], seed) for seed in seeds(next(configurations), count)]
        for name in wanted:
            found[f"{name}_{pair}_{rows}"] = [getattr(one, name) for one in runs]
    for name, bessel in DIVISORS.items():
        for rows in SWAPPED:
            of = seeds(next(configurations), count)
            found[f"swapped_{name}_{rows}"] = [_swapped(rows, bessel, seed) for seed in of]
        for rows in GROWTHS:
            of = seeds(next(configurations), 3 if quick else 16)
            found[f"growth_{name}_{rows}"] = [_growth(rows, bessel, seed) for seed in of]
    return dict(found)


def predict() -> dict[str, float]:
    """The same by `ninja.theory`, what of it lies in its reach."""
    found: dict[str, float] = {}
    for name, bessel in DIVISORS.items():
        for rows in GROWTHS:
            found[f"growth_{name}_{rows}"] = theory.batchnorm_growth(rows, "tanh", bessel=bessel)
    for rows in CLAIMED["delta"]["torch"]:
        # of a layer alone the factor is the same, but that Bessel's output is a little smaller
        factor = theory.batchnorm_growth(rows, "identity")
        found[f"delta_torch_{rows}"] = factor
        found[f"delta_lecture_{rows}"] = factor * (rows - 1) / rows
    return found


def _wanted() -> dict[tuple[str, int], list[str]]:
    """What is claimed of every pair of divisors and size of batch."""
    found = defaultdict[tuple[str, int], list[str]](list)
    for name, pairs in CLAIMED.items():
        for pair, sizes in pairs.items():
            for rows in sizes:
                found[pair, rows].append(name)
    return dict(found)


def _seen(rows: int, bessel: bool, running: bool, seed: int) -> Seen:
    rule = BatchNorm(
        FEATURES, 0.0, MOMENTUM, bessel=bessel, running_bessel=running, trainable=False
    )
    generator = Generator().manual_seed(seed)
    buffers = {name: torch.full(*made) for name, made in rule.buffers().items()}
    for _ in range(STEPS):
        buffers = rule.running(buffers, rule.forward({}, _drawn(rows, generator)))
    x = _drawn(rows, generator, ROWS // rows)
    variance, trained, evaluated, gap, delta, other = _means(rule, buffers, x, generator)
    kept, true = float(buffers["running_var"].mean()), DEVIATION**2
    return Seen(variance / true, kept / true, evaluated / trained, gap, delta / other)


def _drawn(rows: int, generator: Generator, *batches: int) -> Tensor:
    return torch.randn(*batches, rows, FEATURES, generator=generator) * DEVIATION + MEAN


def _means(rule: BatchNorm, buffers: Tensors, x: Tensor, generator: Generator) -> list[float]:
    """Of batches: the variance; mean squares of y, trained, evaluated, apart; and of ∂x, both."""
    dy = torch.randn(x.shape, generator=generator)
    evaluation = rule.evaluation()
    trained, evaluated = rule.forward({}, x), evaluation.forward(buffers, x)
    y, other = trained["y"], evaluated["y"]
    dx, _ = rule.backward_fused({}, trained, dy)
    dother, _ = evaluation.backward(buffers, evaluated, dy)
    squares = [float(of.square().mean()) for of in (y, other, other - y, dx, dother)]
    return [float(trained["var"].mean()), *squares]


def _swapped(rows: int, bessel: bool, seed: int) -> float:
    """How wrong the delta is when forward and backward divide by different numbers."""
    x, dy = (normal(rows, WIDE, seed + k).double() for k in (0, 1_000))
    right, wrong = (
        BatchNorm(WIDE, eps=0.0, bessel=of, trainable=False) for of in (bessel, not bessel)
    )
    saved = right.forward({}, x)
    dx, other = (rule.backward_fused({}, saved, dy)[0] for rule in (right, wrong))
    return float((other - dx).norm() / dx.norm())


def _growth(rows: int, bessel: bool, seed: int) -> float:
    norm = partial(BatchNorm, eps=0.0, bessel=bessel, trainable=False)
    deep = Deep(DEPTH, WIDTH, "tanh", 1.0, norm=norm, batch=rows)
    found = passed(deep, normal(rows, WIDTH, seed), seed)
    return growth(found.layers("linear", "delta_rms") ** 2, FIRST, LAST)
