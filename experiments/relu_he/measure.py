"""Growth and level of the deltas of deep ReLU networks, and how many units a bias kills."""

from dataclasses import dataclass, replace

import numpy as np

from experiments.deep import Deep, Measured, Passed, growth, normal, passed, seeds
from ninja import theory
from ninja.init import Constant
from ninja.net import Net

WIDTH, DEPTH, FIRST, LAST = 500, 40, 3, 37
GROWTHS = {"growth_he": 2.0, "growth_half": 1.0}
WIDE = 1000
"""Of the one layer: so that two samples have next to no correlation, and there are many units."""
DEAD = {"dead_32": (-3.0, 32), "dead_256": (-4.0, 256)}
"""Bias and samples."""


@dataclass(frozen=True)
class Biased(Deep):
    """All units have one bias, in place of random ones: of these there must be some to replace.

    Attributes:
        bias: of every unit.
    """

    bias: float = 0.0

    def net(self) -> Net:
        """The nodes of `Deep`."""
        same = {"b": Constant(self.bias)}
        nodes = super().net().nodes
        return Net(
            tuple(
                replace(node, init={**node.init, **same}) if "b" in node.init else node
                for node in nodes
            )
        )


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    found: Measured = {}
    for number, (name, weights) in enumerate(GROWTHS.items()):
        found[name] = [_growth(weights, seed) for seed in seeds(number, 4 if quick else 16)]
    found["level"] = [_level(seed) for seed in seeds(len(GROWTHS), 4 if quick else 8)]
    for number, (name, (bias, samples)) in enumerate(DEAD.items(), len(GROWTHS) + 1):
        found[name] = [_dead(bias, samples, seed) for seed in seeds(number, 12 if quick else 40)]
    return found


def predict() -> dict[str, float]:
    """The same by `ninja.theory`; for a ReLU no length changes χ₁."""
    found = {name: theory.chi1(1.0, weights, "relu") for name, weights in GROWTHS.items()}
    found["level"] = theory.mean_square_slope(1.0, "relu")
    for name, (bias, samples) in DEAD.items():
        found[name] = theory.dead_share(2.0, samples, "relu", bias=bias)
    return found


def _deep(weights: float, seed: int) -> Passed:
    return passed(Deep(DEPTH, WIDTH, "relu", weights), normal(32, WIDTH, seed), seed)


def _growth(weights: float, seed: int) -> float:
    return growth(_deep(weights, seed).layers("linear", "delta_rms") ** 2, FIRST, LAST)


def _level(seed: int) -> float:
    """|delta of a pre-activation|² over |delta of its activation|²: half the gates are closed."""
    found = _deep(2.0, seed)
    before, after = found.layers("linear", "delta_rms"), found.layers("relu", "delta_rms")
    return float(np.mean((before / after)[FIRST:LAST] ** 2))


def _dead(bias: float, samples: int, seed: int) -> float:
    """Units of a single layer that no sample opens."""
    biased = Biased(1, WIDE, "relu", 2.0, bias_variance=1.0, batch=samples, bias=bias)
    (share,) = passed(biased, normal(samples, WIDE, seed), seed).layers("relu", "dead")
    return float(share)
