"""Ratios of variances between neighbouring layers, as Glorot & Bengio 2010 plot them."""

import numpy as np

from ninja.errors import TheoryError
from ninja.theory.activations import ActivationLike, activation
from ninja.theory.mean_field import chi1, lengths, mean_square
from ninja.theory.quadrature import Array


def standard_variance(fan_in: int) -> float:
    """Of a weight from U(−1/√fan_in, 1/√fan_in): 1/(3 fan_in). Equation 1."""
    return 1 / (3 * fan_in)


def xavier_variance(fan_in: int, fan_out: int) -> float:
    """Of a weight from the normalised initialisation: 2/(fan_in + fan_out). Equation 16."""
    return 2 / (fan_in + fan_out)


def delta_ratios(
    depth: int, weight_variance: float, phi: ActivationLike, input_variance: float = 1.0
) -> Array:
    """Var δ of layer l + 1 over that of layer l, l = 1 … depth − 1, both before φ: 1/χ(q_l).

    Args:
        depth: number of layers of equal width, 2 or more.
        weight_variance: σw², fan_in times a weight's variance: 1/3 by the standard scheme, 1 by
            Xavier's.
        phi: the activation.
        input_variance: E[x²] of the input.

    Raises:
        TheoryError: fewer than two layers, or weights of no variance.
    """
    if depth < 2 or weight_variance <= 0:
        raise TheoryError(
            f"depth, weight_variance: {depth}, {weight_variance:g}: give 2 layers or more, and a "
            "variance above 0"
        )
    made = activation(phi)
    q = lengths(depth - 1, weight_variance, 0.0, made, input_variance)
    return np.array([1 / chi1(float(one), weight_variance, made) for one in q])


def weight_gradient_ratios(
    depth: int, weight_variance: float, phi: ActivationLike, input_variance: float = 1.0
) -> Array:
    """Var ∂loss/∂W of layer l + 1 over that of layer l: the delta's ratio, times the input's.

    Raises:
        TheoryError: as for `delta_ratios`.
    """
    made = activation(phi)
    ratios = delta_ratios(depth, weight_variance, made, input_variance)
    q = lengths(depth - 1, weight_variance, 0.0, made, input_variance)
    inputs = np.array([input_variance, *(mean_square(float(one), made) for one in q)])
    return ratios * inputs[1:] / inputs[:-1]
