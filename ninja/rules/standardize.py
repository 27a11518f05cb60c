"""Subtract the mean and divide by the standard deviation: what BatchNorm and LayerNorm share.

They differ only in the dimension they look along: BatchNorm down the rows of the batch (-2),
LayerNorm across the features (-1).
"""

import torch
from torch import Tensor

from ninja.types import Tensors


def standardize(x: Tensor, dim: int, divisor: int, eps: float) -> Tensors:
    """raw = (x − mean)/√(var + eps) along ``dim``, every step named.

    Args:
        x: (..., N, F).
        dim: -2 or -1; n below is the length of x along it.
        divisor: n for the biased variance, n − 1 for the unbiased one (Bessel's correction).
        eps: added to the variance.
    """
    mean = x.mean(dim, keepdim=True)
    diff = x - mean
    diff2 = diff.square()
    var = diff2.sum(dim, keepdim=True).mul_(1 / divisor)
    var_inv = (var + eps).rsqrt_()
    raw = diff * var_inv
    return {
        "mean": mean,
        "diff": diff,
        "diff2": diff2,
        "var": var,
        "var_inv": var_inv,
        "raw": raw,
    }


def standardize_backward(
    saved: Tensors, draw: Tensor, dim: int, divisor: int
) -> tuple[Tensor, Tensors]:
    """Step by step, in reverse. Each quotation is a line of `standardize`.

    diff is used twice (in raw and in diff2), and x is used twice (in diff and in mean): their
    deltas accumulate. What is broadcast forward (mean, var_inv: one value for n) is summed
    backward; what is summed forward (diff2 into var, x into mean) is broadcast backward.
    """
    n = draw.shape[dim]
    diff, var_inv = saved["diff"], saved["var_inv"]
    # raw = diff * var_inv
    dvar_inv = (draw * diff).sum(dim, keepdim=True)
    ddiff = draw * var_inv
    # var_inv = (var + eps) ** -0.5
    dvar = -0.5 * dvar_inv * var_inv.pow(3)
    # var = diff2.sum(dim) / divisor
    ddiff2 = (dvar * (1 / divisor)).expand_as(diff)
    # diff2 = diff ** 2
    ddiff = ddiff + ddiff2 * (2 * diff)
    # diff = x - mean
    dmean = -ddiff.sum(dim, keepdim=True)
    # mean = x.sum(dim) / n
    dx = ddiff + dmean / n
    deltas = {"var_inv": dvar_inv, "var": dvar, "diff2": ddiff2, "diff": ddiff, "mean": dmean}
    return dx, deltas


def standardize_backward_fused(
    raw: Tensor, scale: Tensor, dy: Tensor, sum_dy: Tensor, sum_dy_raw: Tensor, n: int, divisor: int
) -> Tensor:
    """The closed form, for y = γ·raw with γ constant along the dimension that is standardised.

    Write s = var_inv, r = raw, d = γ·dy and m for the divisor of the variance. From
    r_i = s (x_i − μ), with ∂μ/∂x_j = 1/n and, since Σ(x_i − μ) = 0, ∂var/∂x_j = 2 (x_j − μ)/m::

        ∂r_i/∂x_j = s (δ_ij − 1/n) − ½ s³ · 2 (x_j − μ)/m · (x_i − μ)
                  = s (δ_ij − 1/n − r_i r_j/m)
        dx_j = Σ_i d_i ∂r_i/∂x_j = s (d_j − Σ_i d_i/n − r_j Σ_i d_i r_i/m)

    the delta without its mean, and without its part along raw. Source: makemore part 4,
    exercise 3 (with m = n − 1).

    Args:
        raw: (..., N, F).
        scale: s·γ, one value where raw was divided by one deviation.
        dy: (..., N, F).
        sum_dy: Σ dy along the dimension, kept.
        sum_dy_raw: Σ dy·raw along the dimension, kept.
        n: length of the dimension.
        divisor: m.
    """
    centred = torch.sub(dy, sum_dy, alpha=1 / n)
    return centred.addcmul_(raw, sum_dy_raw, value=-1 / divisor).mul_(scale)
