"""Two inputs side by side: how their correlation goes from layer to layer, and where it ends.

Sources: Poole et al. 2016, equations 4 and 5; Schoenholz et al. 2017.
"""

import math

import numpy as np

from ninja.errors import TheoryError
from ninja.theory.activations import ActivationLike, activation
from ninja.theory.mean_field import check_length, chi1, fixed_point, length, mean_square, root
from ninja.theory.quadrature import Array, as_array, gaussian, smoothed


def kernel(correlation: float, q: float, phi: ActivationLike) -> float:
    """E[φ(u)φ(v)] of Gaussians u and v of variance q, correlated by so much.

    What u and v share, √|c| of each, comes first; given it they are independent, and the mean of
    either is smooth in it.

    Raises:
        TheoryError: the correlation is not from −1 to 1.
    """
    if not -1 <= correlation <= 1:
        raise TheoryError(f"correlation: {correlation!r} is none, give a number from -1 to 1")
    check_length(q)
    made, shared = activation(phi), abs(correlation)
    if q == 0 or correlation == 1:
        return mean_square(q, made)
    own = math.sqrt(q * (1 - shared))
    if shared == 0:
        return float(smoothed(made.function, np.zeros(()), own, made.edges)) ** 2
    around = own * np.array([-9, -3, -1, 0, 1, 3, 9])  # a kink, once smoothed
    cuts = np.add.outer(as_array(made.edges), around).ravel()
    m, weights = gaussian(0.0, math.sqrt(q * shared), cuts)
    if shared == 1:  # and −1
        return float(made.function(m) * made.function(-m) @ weights)
    one = smoothed(made.function, m, own, made.edges)
    other = one if correlation > 0 else smoothed(made.function, -m, own, made.edges)
    return float(one * other @ weights)


def correlation_map(
    correlation: float,
    q: float,
    weight_variance: float,
    bias_variance: float,
    phi: ActivationLike,
) -> float:
    """The correlation of the next layer's pre-activations. Its slope at 1 is χ₁, where q is q*."""
    made = activation(phi)
    after = length(q, weight_variance, bias_variance, made)
    if after == 0:
        raise TheoryError("q: pre-activations of no variance have no correlation")
    return (weight_variance * kernel(correlation, q, made) + bias_variance) / after


def correlations(
    depth: int,
    weight_variance: float,
    bias_variance: float,
    phi: ActivationLike,
    correlation: float = 0.0,
    input_variance: float = 1.0,
) -> Array:
    """Correlations c_1 … c_depth of two inputs' pre-activations.

    Args:
        depth: number of layers.
        weight_variance: σw².
        bias_variance: σb².
        phi: the activation.
        correlation: of the two inputs.
        input_variance: E[x²] of either.
    """
    made = activation(phi)
    q = weight_variance * input_variance + bias_variance
    if q == 0:
        raise TheoryError("q: pre-activations of no variance have no correlation")
    c = (weight_variance * input_variance * correlation + bias_variance) / q
    found: list[float] = []
    for _ in range(depth):
        found.append(c)
        c = min(1.0, correlation_map(c, q, weight_variance, bias_variance, made))
        q = length(q, weight_variance, bias_variance, made)
    return np.array(found)


def correlation_fixed_point(
    weight_variance: float, bias_variance: float, phi: ActivationLike
) -> float:
    """c*: the correlation that all inputs end with, in so deep a network that q* is reached.

    1 where χ₁ ≤ 1: the network forgets which input it was. Below 1 in the chaotic phase.

    Raises:
        TheoryError: q* is 0, or there is none.
    """
    made = activation(phi)
    q = fixed_point(weight_variance, bias_variance, made)
    if q == 0:
        raise TheoryError(
            f"weight_variance: at {weight_variance:g} the lengths of {made.name} end at 0, where "
            "there is no correlation"
        )
    if chi1(q, weight_variance, made) <= 1 + 1e-9:
        return 1.0

    def excess(c: float) -> float:
        return correlation_map(c, q, weight_variance, bias_variance, made) - c

    return 0.0 if excess(0.0) <= 1e-14 else root(excess, 0.0, 1 - 1e-9)
