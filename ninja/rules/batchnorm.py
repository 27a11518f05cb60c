"""Batch normalisation: each feature standardised over the rows of the batch."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ninja.errors import ConfigError
from ninja.rules.affine import affine, affine_backward, affine_shapes
from ninja.rules.base import Rule
from ninja.rules.standardize import standardize, standardize_backward, standardize_backward_fused
from ninja.types import Shape, Tensors


@dataclass(frozen=True)
class BatchNorm(Rule):
    """y = γ (x − mean)/√(var + eps) + β over the rows.  ``(..., N, F)`` → ``(..., N, F)``.

    Every output depends on every input of its column through the mean and the variance, so a delta
    reaches x by three ways: directly, through the mean, through the variance.

    Attributes:
        features: F.
        eps: added to the variance.
        momentum: weight of the newest batch in the running statistics.
        bessel: divide the batch's variance by n − 1, as the lecture does, and not by n.
        running_bessel: divide the running variance by n − 1 (torch does this, and not the above).
        running_statistic: keep a running variance, or the running deviation of part 3.
        trainable: whether there are γ and β.

    Source: Ioffe & Szegedy 2015, algorithm 1; makemore part 4, exercises 1 and 3.
    """

    features: int
    eps: float = 1e-5
    momentum: float = 0.1
    bessel: bool = True
    running_bessel: bool = True
    running_statistic: Literal["var", "std"] = "var"
    trainable: bool = True

    def shapes(self) -> dict[str, Shape]:
        """γ is "gain" and β is "bias", (1, F) each."""
        return affine_shapes(self.features) if self.trainable else {}

    def buffers(self) -> dict[str, tuple[Shape, float]]:
        """The running mean starts at 0, the running variance or deviation at 1."""
        row = (1, self.features)
        return {"running_mean": (row, 0.0), f"running_{self.running_statistic}": (row, 1.0)}

    def divisor(self, rows: int) -> int:
        """What the batch's sum of squares is divided by."""
        return rows - self.bessel

    def forward(self, params: Tensors, x: Tensor) -> Tensors:
        """x is (..., N, F).

        Raises:
            ConfigError: one row only, which has no variance.
        """
        rows = x.shape[-2]
        if rows < 2:
            raise ConfigError(f"batch_size: BatchNorm needs 2 rows or more to train on, not {rows}")
        saved = standardize(x, -2, self.divisor(rows), self.eps)
        saved["y"] = affine(params, saved["raw"])
        return saved

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """Through γ and β, then through every step of `standardize`."""
        draw, trained = affine_backward(params, saved["raw"], dy)
        dx, inner = standardize_backward(saved, draw, -2, self.divisor(dy.shape[-2]))
        return dx, trained | {"raw": draw} | inner

    def backward_fused(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dx = γ s (dy − Σdy/n − raw Σ(dy·raw)/m): the two sums are dβ and dγ."""
        n = dy.shape[-2]
        raw, scale = saved["raw"], saved["var_inv"]
        dbias = dy.sum(-2, keepdim=True)
        dgain = (dy * raw).sum(-2, keepdim=True)
        deltas: Tensors = {}
        if self.trainable:
            scale = scale * params["gain"]
            deltas = {"bias": dbias, "gain": dgain}
        dx = standardize_backward_fused(raw, scale, dy, dbias, dgain, n, self.divisor(n))
        return dx, deltas

    def running(self, buffers: Tensors, saved: Tensors) -> Tensors:
        """Running ← (1 − momentum)·running + momentum·batch, for the mean and for the spread."""
        n = saved["raw"].shape[-2]
        spread = saved["var"] * (self.divisor(n) / (n - self.running_bessel))
        name = f"running_{self.running_statistic}"
        if self.running_statistic == "std":
            spread = spread.sqrt()
        return {
            "running_mean": torch.lerp(buffers["running_mean"], saved["mean"], self.momentum),
            name: torch.lerp(buffers[name], spread, self.momentum),
        }

    def evaluation(self) -> "BatchNormEvaluation":
        """The same layer with the running statistics in place of the batch's."""
        return BatchNormEvaluation(self)


@dataclass(frozen=True)
class BatchNormEvaluation(Rule):
    """y = γ (x − running_mean)/√(running_var + eps) + β: rows no longer know of each other.

    The running statistics are constants, so the only way back to x is the direct one::

        dx = dy · γ/√(running_var + eps)

    Its params hold the training rule's parameters and its buffers. A running deviation is divided
    by as it is, without eps, as in part 3.
    """

    training: BatchNorm

    def shapes(self) -> dict[str, Shape]:
        """Those of the training rule."""
        return self.training.shapes()

    def buffers(self) -> dict[str, tuple[Shape, float]]:
        """Those of the training rule, which it reads and leaves as they are."""
        return self.training.buffers()

    def deviation_inv(self, params: Tensors) -> Tensor:
        """1/√(running_var + eps), or 1/running_std. (..., 1, F)."""
        if self.training.running_statistic == "std":
            return params["running_std"].reciprocal()
        return (params["running_var"] + self.training.eps).rsqrt()

    def forward(self, params: Tensors, x: Tensor) -> Tensors:
        """x is (..., N, F)."""
        diff = x - params["running_mean"]
        raw = diff * self.deviation_inv(params)
        return {"diff": diff, "raw": raw, "y": affine(params, raw)}

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (..., N, F)."""
        draw, trained = affine_backward(params, saved["raw"], dy)
        dx = draw * self.deviation_inv(params)
        return dx, trained | {"raw": draw, "diff": dx}
