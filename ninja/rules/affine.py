"""The trainable scale and shift that follow a normalisation: y = γ·raw + β, one value a feature."""

import torch
from torch import Tensor

from ninja.types import Shape, Tensors


def affine_shapes(features: int, bias: bool = True) -> dict[str, Shape]:
    """γ and β are rows, (1, features), as in the lecture: they are broadcast over the batch."""
    gain: dict[str, Shape] = {"gain": (1, features)}
    return gain | {"bias": (1, features)} if bias else gain


def affine(params: Tensors, raw: Tensor) -> Tensor:
    """y = γ·raw + β.  ``(..., 1, F) * (..., N, F) + (..., 1, F)``; raw itself without either."""
    if "bias" in params:
        return torch.addcmul(params["bias"], raw, params["gain"])
    return raw * params["gain"] if "gain" in params else raw


def affine_backward(params: Tensors, raw: Tensor, dy: Tensor) -> tuple[Tensor, Tensors]:
    """Multiplication swaps, addition routes, and what was broadcast over the rows is summed.

    Returns:
        draw (..., N, F), and the deltas of the parameters there are, (..., 1, F) each.
    """
    deltas: Tensors = {}
    if "bias" in params:
        deltas["bias"] = dy.sum(-2, keepdim=True)
    if "gain" not in params:
        return dy, deltas
    deltas["gain"] = (dy * raw).sum(-2, keepdim=True)
    return dy * params["gain"], deltas
