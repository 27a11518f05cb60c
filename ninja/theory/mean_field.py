"""The infinitely wide network: how lengths go forward, and gradients back, layer by layer.

h_l = W_l φ(h_{l−1}) + b_l with W ~ N(0, σw²/fan_in), b ~ N(0, σb²). A pre-activation is then
Gaussian, and its variance q all there is to know of it.

Sources: Poole et al. 2016; Schoenholz et al. 2017.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq  # pyright: ignore[reportMissingTypeStubs]

from ninja.errors import TheoryError
from ninja.theory.activations import Activation, ActivationLike, activation
from ninja.theory.quadrature import Array, expectation

_LEAST, _MOST, _RATIO = 1e-14, 1e12, 2**0.25
LARGEST = 1e200
"""Lengths beyond it are refused, before they are infinite."""


def check_variances(weight_variance: float, bias_variance: float = 0.0) -> None:
    """Refuse what is no variance.

    Raises:
        TheoryError: one is negative, or not finite.
    """
    for name, value in (("weight_variance", weight_variance), ("bias_variance", bias_variance)):
        if not 0 <= value < math.inf:
            raise TheoryError(f"{name}: {value!r} is no variance, give a finite number from 0 on")


def check_length(q: float) -> None:
    """Refuse what is no variance of a pre-activation.

    Raises:
        TheoryError: it is negative, not a number, or beyond all use.
    """
    if not 0 <= q < LARGEST:
        raise TheoryError(f"q: {q!r} is no variance, give a number from 0 to {LARGEST:g}")


def length(q: float, weight_variance: float, bias_variance: float, phi: ActivationLike) -> float:
    """The length map V: the variance of the next pre-activation, σw² E[φ(√q z)²] + σb²."""
    made = activation(phi)
    return weight_variance * mean_square(q, made) + bias_variance


def mean_square(q: float, phi: ActivationLike) -> float:
    """E[φ(√q z)²]."""
    check_length(q)
    made = activation(phi)
    if q == 0:
        return float(made.function(np.zeros(1))[0]) ** 2
    return expectation(lambda x: made.function(x) ** 2, q, made.edges)


def mean_square_slope(q: float, phi: ActivationLike) -> float:
    """E[φ′(√q z)²]: the level |δ before φ|²/|δ after φ|², and χ₁ without σw².

    A slope against depth is blind to a gradient that is read on the wrong side of φ. This is not.
    """
    check_length(q)
    made = activation(phi)
    return expectation(lambda x: made.slope(x) ** 2, max(q, made.least), made.edges)


def lengths(
    depth: int,
    weight_variance: float,
    bias_variance: float,
    phi: ActivationLike,
    input_variance: float = 1.0,
) -> Array:
    """Variances q_1 … q_depth of the pre-activations, from E[x²] of the input.

    Raises:
        TheoryError: no variances, or lengths that grow beyond all numbers on the way.
    """
    check_variances(weight_variance, bias_variance)
    check_length(input_variance)
    made = activation(phi)
    found: list[float] = []
    for layer in range(1, depth + 1):
        q = (
            length(found[-1], weight_variance, bias_variance, made)
            if found
            else weight_variance * input_variance + bias_variance
        )
        check_layer(q, layer)
        found.append(q)
    return np.array(found)


def check_layer(q: float, layer: int) -> None:
    """Refuse a length that is beyond all numbers.

    Raises:
        TheoryError: it is.
    """
    if not q < LARGEST:
        raise TheoryError(f"depth: lengths are beyond all numbers in layer {layer}, give less")


def fixed_point(
    weight_variance: float, bias_variance: float, phi: ActivationLike, start: float = 1.0
) -> float:
    """q*: where the lengths of deep layers end, from `start` on.

    Where every q is a fixed point (ReLU at σw² = 2 without biases) it is `start`. They never
    oscillate: d ln E[φ²]/d ln q = E[φ² (z² − 1)]/(2 E[φ²]) is above −1/2 whatever φ is.

    Raises:
        TheoryError: no variances; lengths that grow without end.
    """
    check_variances(weight_variance, bias_variance)
    if not 0 < start < LARGEST:
        raise TheoryError(f"start: {start!r} must be above 0, and finite")
    made = activation(phi)

    def excess(q: float) -> float:
        return length(q, weight_variance, bias_variance, made) - q

    first = excess(start)
    if abs(first) <= 1e-12 * start:
        return start
    here, ratio = start, _RATIO if first > 0 else 1 / _RATIO
    while here < _MOST if first > 0 else here > _LEAST:
        there = here * ratio
        if (excess(there) > 0) != (first > 0):
            return root(excess, min(here, there), max(here, there))
        here = there
    if first < 0:
        return 0.0
    raise TheoryError(
        f"weight_variance: at {weight_variance:g} the lengths of {made.name} grow without end, "
        f"there is no fixed point; ask for the lengths of so many layers"
    )


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that changes sign between low and high is zero."""
    return float(brentq(function, low, high, xtol=1e-300, rtol=1e-13))  # pyright: ignore


def length_slope(
    q: float, weight_variance: float, bias_variance: float, phi: ActivationLike
) -> float:
    """V′(q): how a deviation of the length goes on; below 1 it heals."""
    made, step = activation(phi), 1e-4
    above, below = (
        length(q * (1 + side), weight_variance, bias_variance, made) for side in (step, -step)
    )
    return (above - below) / (2 * step * q)


def chi1(q: float, weight_variance: float, phi: ActivationLike) -> float:
    """χ₁ = σw² E[φ′(√q z)²]: the factor of |δ|² from a layer to the one below.

    At q* also the factor by which the difference of two nearly equal inputs grows.
    """
    check_variances(weight_variance)
    return weight_variance * mean_square_slope(q, phi)


def depth_scale(chi: float) -> float:
    """ξ = −1/ln χ: layers in which |δ|² falls by e; infinite at χ = 1, negative where it grows.

    Raises:
        TheoryError: χ is negative, or not a number.
    """
    if not chi >= 0:
        raise TheoryError(f"chi: {chi!r} is no factor, give a number from 0 on")
    if chi == 0:
        return 0.0
    log = math.log(chi)
    return math.inf if abs(log) < 1e-12 else -1 / log


def critical_weight_variance(bias_variance: float, phi: ActivationLike) -> float:
    """The σw² at which χ₁ = 1 at q*, for a σb²: gradients then keep their size at any depth.

    At a length q this is σw² = 1/E[φ′²] with σb² = q − E[φ²]/E[φ′²]; q is what is sought.

    Raises:
        TheoryError: there is none (ReLU with biases, a sigmoid: no length is both critical and
            attracting).
    """
    check_variances(0, bias_variance)
    made = activation(phi)

    def excess(q: float) -> float:
        return q - mean_square(q, made) / mean_square_slope(q, made) - bias_variance

    if bias_variance == 0 and made.still:  # at q = 0, or at every q, as for ReLU
        weight_variance = 1 / mean_square_slope(0.0, made)
        if length(1e-3, weight_variance, 0.0, made) > 1e-3 * (1 + 1e-9):
            raise TheoryError(_no_critical(made, 0.0))
        return weight_variance
    grid = _LEAST ** (1 - np.arange(257) / 256) * _MOST ** (np.arange(257) / 256)
    values = [excess(float(q)) for q in grid]
    for below, above, left, right in zip(grid, grid[1:], values, values[1:], strict=False):
        if left < 0 <= right:
            q = root(excess, float(below), float(above))
            weight_variance = 1 / mean_square_slope(q, made)
            if abs(length_slope(q, weight_variance, bias_variance, made)) <= 1:
                return weight_variance
    raise TheoryError(_no_critical(made, bias_variance))


def _no_critical(made: Activation, bias_variance: float) -> str:
    return (
        f"bias_variance: at {bias_variance:g}, {made.name} has no critical weight variance: "
        "no length is both a fixed point that attracts and passes gradients unchanged"
    )
