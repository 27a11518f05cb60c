"""The linear layer: y = x W + b."""

from dataclasses import dataclass

from torch import Tensor

from ninja.rules.base import Rule
from ninja.types import Shape, Tensors


@dataclass(frozen=True)
class Linear(Rule):
    """y = x W + b.  ``(..., N, I) @ (..., I, O) + (..., O)`` → ``(..., N, O)``.

    From one element, y_no = Σ_i x_ni W_io + b_o, the chain rule gives three sums over the indices
    that ∂loss/∂y has and the wanted tensor has not::

        dx_ni = Σ_o dy_no W_io    = (dy Wᵀ)_ni     (N, O) @ (O, I)
        dW_io = Σ_n x_ni dy_no    = (xᵀ dy)_io     (I, N) @ (N, O)
        db_o  = Σ_n dy_no         b is broadcast over the rows, so its delta is their sum

    There is no other way for the shapes to work out, which is how to remember it.
    Source: makemore part 4, exercise 1.
    """

    fan_in: int
    fan_out: int
    bias: bool = True

    def shapes(self) -> dict[str, Shape]:
        """W is (fan_in, fan_out), as it multiplies from the right; b is (fan_out,)."""
        weight: dict[str, Shape] = {"W": (self.fan_in, self.fan_out)}
        return weight | {"b": (self.fan_out,)} if self.bias else weight

    def forward(self, params: Tensors, x: Tensor) -> Tensors:
        """x is (..., N, I)."""
        y = x @ params["W"]
        if self.bias:
            y = y.add_(params["b"].unsqueeze(-2))  # in place: nobody needs the product alone
        return {"x": x, "y": y}

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (..., N, O)."""
        dx = dy @ params["W"].mT
        deltas = {"W": saved["x"].mT @ dy}
        if self.bias:
            deltas["b"] = dy.sum(-2)
        return dx, deltas
