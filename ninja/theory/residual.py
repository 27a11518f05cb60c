"""How gradients grow through residual sums, and through LayerNorm.

All factors are of |δ|², from a block's output to its input. LayerNorm's own projections, off the
mean and off its output, are two dimensions of the width and left out; RMSNorm is then the same.

Sources: Yang & Schoenholz 2017 (residual networks); Xiong et al. 2020 (pre- and post-LN).
"""

from typing import Literal

import numpy as np

from ninja.theory.activations import ActivationLike, activation
from ninja.theory.mean_field import check_variances, chi1, length, mean_square
from ninja.theory.quadrature import Array, expectation

Branch = Literal["W φ(x)", "φ(W x)"]


def residual_growth(
    depth: int,
    weight_variance: float,
    bias_variance: float,
    phi: ActivationLike,
    branch: Branch = "φ(W x)",
    input_variance: float = 1.0,
) -> Array:
    """The factors of blocks 1 … depth of x + branch, without a norm: 1 + σw² E[φ′²].

    For a ReLU it is 1 + σw²/2 in every block, wherever the weights are. Other activations see
    lengths that grow with depth, and φ(W x) also a mean that does.
    """
    made = activation(phi)
    found: list[float] = []
    for p in block_lengths(depth, weight_variance, bias_variance, made, branch, input_variance):
        q = p if branch == "W φ(x)" else weight_variance * p + bias_variance
        found.append(1 + chi1(q, weight_variance, made))
    return np.array(found)


def block_lengths(
    depth: int,
    weight_variance: float,
    bias_variance: float,
    phi: ActivationLike,
    branch: Branch = "φ(W x)",
    input_variance: float = 1.0,
) -> list[float]:
    """E[x²] before blocks 1 … depth of x + branch."""
    check_variances(weight_variance, bias_variance)
    made, p, mean = activation(phi), input_variance, 0.0
    found: list[float] = []
    for _ in range(depth):
        found.append(p)
        if branch == "W φ(x)":
            p += length(p, weight_variance, bias_variance, made)
            continue
        q = weight_variance * p + bias_variance
        shift = expectation(made.function, max(q, made.least), made.edges)
        p += 2 * mean * shift + mean_square(q, made)
        mean += shift
    return found


def layernorm_growth(weight_variance: float, bias_variance: float, phi: ActivationLike) -> float:
    """The factor of a layer φ(LN(W x + b)), without residual sum: χ₁ at q = 1 over the length."""
    check_variances(weight_variance, bias_variance)
    made = activation(phi)
    return chi1(1.0, weight_variance, made) / length(1.0, weight_variance, bias_variance, made)


def pre_layernorm_growth(
    depth: int, weight_variance: float, bias_variance: float, phi: ActivationLike
) -> Array:
    """The factors of blocks 1 … depth of x + W φ(LN(x)) + b: 1 + σw² E[φ′(z)²]/E[x²].

    E[x²] grows by the same amount in every block, so that the product grows as a power of depth:
    for a ReLU with σw² = 2 it is depth + 1.
    """
    slope = chi1(1.0, weight_variance, phi)
    lengths_ = [
        pre_layernorm_length(block, weight_variance, bias_variance, phi) for block in range(depth)
    ]
    return 1 + slope / np.array(lengths_)


def pre_layernorm_length(
    depth: int, weight_variance: float, bias_variance: float, phi: ActivationLike
) -> float:
    """E[x²] after so many blocks of x + W φ(LN(x)) + b, from 1 on.

    The gradient of a last layer behind a final LayerNorm is as its power −1/2; with post-LN, which
    keeps E[x²] at 1, it does not depend on depth.
    """
    check_variances(weight_variance, bias_variance)
    return 1 + depth * length(1.0, weight_variance, bias_variance, phi)


def post_layernorm_growth(
    weight_variance: float, bias_variance: float, phi: ActivationLike
) -> float:
    """The factor of a block LN(x + W φ(x) + b): (1 + σw² E[φ′(z)²])/(1 + the branch's length)."""
    added = length(1.0, weight_variance, bias_variance, phi)
    return (1 + chi1(1.0, weight_variance, phi)) / (1 + added)
