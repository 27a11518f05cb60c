"""Growth of the deltas of deep networks with a BatchNorm in every layer, batch by batch."""

import math
from dataclasses import dataclass

from experiments.deep import Deep, Measured, growth, normal, passed, seeds
from ninja import theory
from ninja.rules import BatchNorm, Rule


@dataclass(frozen=True)
class Setting:
    """What one claim measures.

    Attributes:
        activation: after the norm.
        batch: samples that are normalised together.
        width: of every layer.
        networks: to draw.
        quick: the same, of a quick measurement.
    """

    activation: str
    batch: int
    width: int = 1000
    networks: int = 5
    quick: int = 2


SETTINGS = {
    "relu_32": Setting("relu", 32),
    "relu_128": Setting("relu", 128),
    "tanh_32": Setting("tanh", 32),
    "tanh_128": Setting("tanh", 128),
    "linear_8": Setting("identity", 8, networks=12, quick=5),
    "linear_16": Setting("identity", 16, networks=6, quick=3),
    "relu_128_wide": Setting("relu", 128, width=2000, networks=3, quick=1),
    "relu_128_narrow": Setting("relu", 128, width=500, networks=6, quick=4),
}
SMALL, LARGE = 32, 128
"""The batches from which an infinite one is extrapolated."""
FIRST, BEFORE_LAST = 8, 3
"""Of the fit: the first layers remember their input, the last ones the direction."""


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    found: Measured = {}
    for number, (name, setting) in enumerate(SETTINGS.items()):
        count = setting.quick if quick else setting.networks
        depth = 16 if quick else 30
        found[name] = [_growth(setting, depth, seed) for seed in seeds(number, count)]
    for phi in ("relu", "tanh"):
        pairs = zip(found[f"{phi}_{SMALL}"], found[f"{phi}_{LARGE}"], strict=True)
        found[f"{phi}_limit"] = [_limit(small, large) for small, large in pairs]
    return found


def predict() -> dict[str, float]:
    """The same by `ninja.theory`."""
    found = {
        name: theory.batchnorm_growth(setting.batch, setting.activation)
        for name, setting in SETTINGS.items()
    }
    for phi in ("relu", "tanh"):
        found[f"{phi}_limit"] = theory.batchnorm_growth(math.inf, phi)
    return found


def _norm(features: int) -> Rule:
    """Nothing but the standardisation: an eps would shrink x̂, and γ and β are another question."""
    return BatchNorm(features, eps=0.0, bessel=False, trainable=False)


def _growth(setting: Setting, depth: int, seed: int) -> float:
    # any σw² would do: the norm divides it out
    deep = Deep(depth, setting.width, setting.activation, 1.0, norm=_norm, batch=setting.batch)
    found = passed(deep, normal(setting.batch, setting.width, seed), seed)
    return growth(found.layers("linear", "delta_rms") ** 2, FIRST, depth - BEFORE_LAST)


def _limit(small: float, large: float) -> float:
    """At 1/B = 0, on the straight line in 1/B through two batches."""
    return large + (large - small) * SMALL / (LARGE - SMALL)
