"""Rules that compute nothing and only route: flatten and the residual sum."""

from dataclasses import dataclass

from torch import Tensor

from ninja.errors import ShapeError
from ninja.rules.base import Rule
from ninja.types import Tensors


@dataclass(frozen=True)
class FlattenConsecutive(Rule):
    """Lay ``positions`` consecutive rows side by side.  ``(..., N, F)`` → ``(..., N/k, k·F)``.

    With k = block_size it is the lecture's ``emb.view(n, -1)``; with k = 2 it fuses pairs, level
    by level, as in the hierarchical network of part 5. Not a number changes, so the delta is only
    given its old shape back.
    """

    positions: int

    def forward(self, params: Tensors, x: Tensor) -> Tensors:
        """x is (..., N, F).

        Raises:
            ShapeError: N is not a multiple of the positions.
        """
        *lead, rows, features = x.shape
        if rows % self.positions:
            raise ShapeError(f"{rows} rows do not divide into groups of {self.positions}")
        return {"x": x, "y": x.reshape(*lead, rows // self.positions, self.positions * features)}

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        """dy is (..., N/k, k·F)."""
        return dy.reshape(saved["x"].shape), {}


@dataclass(frozen=True)
class Residual(Rule):
    """y = x + branch.  Two inputs ``(..., N, F)`` → ``(..., N, F)``.

    Addition routes: both get dy as it is. The delta of x then meets the one that comes back
    through the branch, and they add up, because x was used twice.
    """

    def forward(self, params: Tensors, x: Tensor, branch: Tensor) -> Tensors:
        """x and branch are (..., N, F)."""
        return {"y": x + branch}

    def backward(
        self, params: Tensors, saved: Tensors, dy: Tensor
    ) -> tuple[tuple[Tensor, Tensor], Tensors]:
        """dy is (..., N, F)."""
        return (dy, dy), {}
