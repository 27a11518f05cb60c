"""Normalisation across the features of each row: LayerNorm and RMSNorm."""

from dataclasses import dataclass

from torch import Tensor

from ninja.rules.affine import affine, affine_backward, affine_shapes
from ninja.rules.base import Rule
from ninja.rules.standardize import standardize, standardize_backward, standardize_backward_fused
from ninja.types import Shape, Tensors


@dataclass(frozen=True)
class LayerNorm(Rule):
    """y = γ (x − mean)/√(var + eps) + β across the features.  ``(..., N, F)`` → ``(..., N, F)``.

    The same standardisation as BatchNorm's along the other dimension, with the biased variance.
    Rows do not mix, so training and evaluation are alike. γ changes along the dimension that is
    standardised, and so it cannot leave the sums of the closed form as it does in BatchNorm.

    Source: Ba, Kiros & Hinton 2016, section 3.
    """

    features: int
    eps: float = 1e-5
    trainable: bool = True

    def shapes(self) -> dict[str, Shape]:
        """γ is "gain" and β is "bias", (1, F) each."""
        return affine_shapes(self.features) if self.trainable else {}

    def forward(self, params: Tensors, x: Tensor) -> Tensors:
        """x is (..., N, F)."""
        saved = standardize(x, -1, self.features, self.eps)
        saved["y"] = affine(params, saved["raw"])
        return saved

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """Through γ and β, then through every step of `standardize`."""
        draw, trained = affine_backward(params, saved["raw"], dy)
        dx, inner = standardize_backward(saved, draw, -1, self.features)
        return dx, trained | {"raw": draw} | inner

    def backward_fused(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dx = s (d − mean(d) − raw mean(d·raw)), with d = γ·dy."""
        raw = saved["raw"]
        draw, trained = affine_backward(params, raw, dy)
        sum_draw = draw.sum(-1, keepdim=True)
        sum_draw_raw = (draw * raw).sum(-1, keepdim=True)
        n = self.features
        dx = standardize_backward_fused(
            raw, saved["var_inv"], draw, sum_draw, sum_draw_raw, n, divisor=n
        )
        return dx, trained


@dataclass(frozen=True)
class RMSNorm(Rule):
    """y = γ x/√(mean(x²) + eps) across the features.  ``(..., N, F)`` → ``(..., N, F)``.

    x is used twice, in ms and in raw. With s = (ms + eps)^−½, r = s x and d = γ·dy::

        ∂r_i/∂x_j = s δ_ij − ½ s³ (2 x_j/F) x_i = s (δ_ij − r_i r_j/F)
        dx_j = s (d_j − r_j mean(d·r))

    LayerNorm's closed form without the mean. Source: Zhang & Sennrich 2019, equation 4.
    """

    features: int
    eps: float = 1e-5
    trainable: bool = True

    def shapes(self) -> dict[str, Shape]:
        """γ is "gain", (1, F); there is no shift."""
        return affine_shapes(self.features, bias=False) if self.trainable else {}

    def forward(self, params: Tensors, x: Tensor) -> Tensors:
        """x is (..., N, F)."""
        x2 = x.square()
        ms = x2.mean(-1, keepdim=True)
        ms_inv = (ms + self.eps).rsqrt_()
        raw = x * ms_inv
        return {"x": x, "x2": x2, "ms": ms, "ms_inv": ms_inv, "raw": raw, "y": affine(params, raw)}

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (..., N, F)."""
        x, ms_inv = saved["x"], saved["ms_inv"]
        draw, trained = affine_backward(params, saved["raw"], dy)
        # raw = x * ms_inv
        dms_inv = (draw * x).sum(-1, keepdim=True)
        dx = draw * ms_inv
        # ms_inv = (ms + eps) ** -0.5
        dms = -0.5 * dms_inv * ms_inv.pow(3)
        # ms = x2.mean(-1)
        dx2 = (dms / self.features).expand_as(x)
        # x2 = x ** 2
        dx = dx + dx2 * (2 * x)
        return dx, trained | {"raw": draw, "ms_inv": dms_inv, "ms": dms, "x2": dx2}

    def backward_fused(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (..., N, F)."""
        raw = saved["raw"]
        draw, trained = affine_backward(params, raw, dy)
        mean_draw_raw = (draw * raw).mean(-1, keepdim=True)
        dx = draw.addcmul(raw, mean_draw_raw, value=-1).mul_(saved["ms_inv"])
        return dx, trained
