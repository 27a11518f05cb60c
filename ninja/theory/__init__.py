"""What is predicted of gradients before anything is trained: numbers from numbers, no torch.

Every function takes any activation: one of `NAMED` by its name, or a numpy function. Where the
theory does not apply it raises `TheoryError`, a ValueError whose one line says why.
"""

from ninja.theory.activations import NAMED, Activation, ActivationLike, activation
from ninja.theory.mean_field import (
    chi1,
    critical_weight_variance,
    depth_scale,
    fixed_point,
    length,
    length_slope,
    lengths,
    mean_square,
    mean_square_slope,
)

__all__ = [
    "NAMED",
    "Activation",
    "ActivationLike",
    "activation",
    "chi1",
    "critical_weight_variance",
    "depth_scale",
    "fixed_point",
    "length",
    "length_slope",
    "lengths",
    "mean_square",
    "mean_square_slope",
]
