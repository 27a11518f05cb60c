"""What is predicted of gradients before anything is trained: numbers from numbers, no torch.

Every function takes any activation: one of `NAMED` by its name, or a numpy function. Where the
theory does not apply it raises `TheoryError`, a ValueError whose one line says why; `predict` says
it among its caveats.
"""

from ninja.theory.activations import NAMED, Activation, ActivationLike, activation
from ninja.theory.batchnorm import batchnorm_growth, batchnorm_saturated_share
from ninja.theory.checkpointing import best_segments, saved_activations, time_factor
from ninja.theory.correlation import correlation_fixed_point, correlation_map, correlations, kernel
from ninja.theory.finite_width import log_norm
from ninja.theory.glorot import (
    delta_ratios,
    standard_variance,
    weight_gradient_ratios,
    xavier_variance,
)
from ninja.theory.isometry import gate_variance, jacobian_variance
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
from ninja.theory.noise import noise_scale, noise_terms
from ninja.theory.precision import FORMATS, overflow_share, underflow_depth, zero_share, zero_shares
from ninja.theory.predict import Layer, Prediction, Setting, predict
from ninja.theory.residual import (
    block_lengths,
    layernorm_growth,
    post_layernorm_growth,
    pre_layernorm_growth,
    pre_layernorm_length,
    residual_growth,
)
from ninja.theory.shares import (
    dead_share,
    dead_shares,
    flat_intervals,
    saturated_share,
    saturated_shares,
)

__all__ = [
    "FORMATS",
    "NAMED",
    "Activation",
    "ActivationLike",
    "Layer",
    "Prediction",
    "Setting",
    "activation",
    "batchnorm_growth",
    "batchnorm_saturated_share",
    "best_segments",
    "block_lengths",
    "chi1",
    "correlation_fixed_point",
    "correlation_map",
    "correlations",
    "critical_weight_variance",
    "dead_share",
    "dead_shares",
    "delta_ratios",
    "depth_scale",
    "fixed_point",
    "flat_intervals",
    "gate_variance",
    "jacobian_variance",
    "kernel",
    "layernorm_growth",
    "length",
    "length_slope",
    "lengths",
    "log_norm",
    "mean_square",
    "mean_square_slope",
    "noise_scale",
    "noise_terms",
    "overflow_share",
    "post_layernorm_growth",
    "pre_layernorm_growth",
    "pre_layernorm_length",
    "predict",
    "residual_growth",
    "saturated_share",
    "saturated_shares",
    "saved_activations",
    "standard_variance",
    "time_factor",
    "underflow_depth",
    "weight_gradient_ratios",
    "xavier_variance",
    "zero_share",
    "zero_shares",
]
