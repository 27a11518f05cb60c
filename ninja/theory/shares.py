"""How many units are saturated, and how many are dead, layer by layer."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr  # pyright: ignore[reportMissingTypeStubs]

from ninja.errors import TheoryError
from ninja.theory.activations import ActivationLike, activation
from ninja.theory.correlation import correlations
from ninja.theory.mean_field import check_length, lengths
from ninja.theory.quadrature import Array, gaussian

Interval = tuple[float, float]

_REACH = 1e3
_GRID = np.unique(
    np.concatenate([np.linspace(-40, 40, 16_001), np.linspace(-_REACH, _REACH, 2001)])
)


def intervals(where: Callable[[Array], NDArray[np.bool_]]) -> list[Interval]:
    """The intervals of x on which a condition holds; one that holds at ±1000 does so beyond.

    Intervals shorter than 0.005 may be missed.
    """
    holds = where(_GRID)
    turns = np.flatnonzero(holds[1:] != holds[:-1])
    low, high = _GRID[turns], _GRID[turns + 1]
    left = holds[turns]
    for _ in range(60):
        middle = (low + high) / 2
        same = where(middle) == left
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    ends = [*([-math.inf] if holds[0] else []), *low.tolist(), *([math.inf] if holds[-1] else [])]
    return list(zip(ends[::2], ends[1::2], strict=True))


def saturated_share(q: float, phi: ActivationLike, level: float = 0.97) -> float:
    """P(|φ(√q z)| > level), φ scaled to (−1, 1); for a tanh the lecture's |t| > 0.97.

    Raises:
        TheoryError: φ has no bounds, and so does not saturate.
    """
    check_length(q)
    return float(_mass(saturated_intervals(phi, level), np.zeros(()), math.sqrt(q)))


def saturated_intervals(phi: ActivationLike, level: float = 0.97) -> list[Interval]:
    """Where |φ| > level, φ scaled to (−1, 1).

    Raises:
        TheoryError: φ has no bounds, and so does not saturate.
    """
    made = activation(phi)
    if made.bounds is None:
        raise TheoryError(f"activation {made.name}: has no bounds (bounds=…), nothing saturates")
    low, high = made.bounds
    return intervals(lambda x: np.abs(2 * (made.function(x) - low) / (high - low) - 1) > level)


def saturated_shares(
    depth: int,
    weight_variance: float,
    bias_variance: float,
    phi: ActivationLike,
    input_variance: float = 1.0,
    level: float = 0.97,
) -> Array:
    """`saturated_share` of layers 1 … depth."""
    made = activation(phi)
    q = lengths(depth, weight_variance, bias_variance, made, input_variance)
    return np.array([saturated_share(float(one), made, level) for one in q])


def dead_share(
    q: float,
    samples: int,
    phi: ActivationLike = "relu",
    correlation: float = 0.0,
    bias: float = 0.0,
) -> float:
    """Units with φ′ = 0 on every one of so many samples; Φ(−b/√q)^M for a ReLU without correlation.

    Args:
        q: variance of the pre-activations, without the bias.
        samples: M.
        phi: the activation.
        correlation: of the pre-activations of two samples, from 0 to 1.
        bias: the same for all units.

    Raises:
        TheoryError: a correlation outside 0 … 1, or no samples.
    """
    if not 0 <= correlation <= 1 or samples < 1:
        raise TheoryError(
            f"correlation, samples: {correlation!r}, {samples!r}: give 0 to 1, and at least 1"
        )
    check_length(q)
    dead = flat_intervals(phi)
    shared, own = math.sqrt(q * correlation), math.sqrt(q * (1 - correlation))
    if shared == 0 or own == 0:  # all apart, or all one
        return float(_mass(dead, np.full((), bias), math.sqrt(q))) ** (samples if own else 1)
    ends = [end for pair in dead for end in pair if math.isfinite(end)]
    # Φ^M steps from 0 to 1 within a few standard deviations of its own
    steps = own * np.concatenate([-np.geomspace(0.1, 12, 40), np.geomspace(0.1, 12, 40)])
    edges = np.sort(np.add.outer(np.array(ends) - bias, steps).ravel())
    common, weights = gaussian(0.0, shared, edges)
    return float(_mass(dead, bias + common, own) ** samples @ weights)


def flat_intervals(phi: ActivationLike) -> list[Interval]:
    """Where φ′ = 0, in float64: below 0 for a ReLU, far out for a tanh."""
    made = activation(phi)
    return intervals(lambda x: made.slope(x) == 0)


def dead_shares(
    depth: int,
    weight_variance: float,
    bias_variance: float,
    phi: ActivationLike,
    samples: int,
    correlation: float = 0.0,
    input_variance: float = 1.0,
) -> Array:
    """`dead_share` of layers 1 … depth, for samples that are correlated so much at the input."""
    made = activation(phi)
    q = lengths(depth, weight_variance, bias_variance, made, input_variance)
    c = correlations(depth, weight_variance, bias_variance, made, correlation, input_variance)
    return np.array(
        [dead_share(float(a), samples, made, float(b)) for a, b in zip(q, c, strict=True)]
    )


def _mass(where: list[Interval], mean: Array, std: float) -> Any:
    """P(x within), x ~ N(mean, std²); what lies at the mean, where std is 0."""
    total = np.zeros_like(mean)
    spread = max(std, 1e-300)
    for low, high in where:
        total = total + ndtr((high - mean) / spread) - ndtr((low - mean) / spread)
    return total
