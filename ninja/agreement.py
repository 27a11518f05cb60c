"""When two gradients agree: bit for bit, closely, and over a whole network."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ninja.types import Deltas, Params, Shape

PASS, WRONG = 1e-6, 1e-5
"""Gap below which engines agree, and above which one of them is wrong; between: suspicious.

Correct closed forms stay below 4e-7 in float32 and 1e-15 in float64 on every network of the test
suite; the smallest real mistake known, Bessel's correction left out, is 7.5e-5 at a batch of 1,024.
"""


@dataclass(frozen=True)
class Row:
    """One tensor's comparison, as the lecture's ``cmp`` prints it.

    Attributes:
        name: of the tensor.
        shape: of the tensor; both deltas must have exactly this.
        exact: every element is equal; 0 and −0 are.
        approx: `torch.allclose` with its default tolerances.
        maxdiff: the largest absolute difference; not a number where a delta is not.
        size: the largest reference delta of the tensor.
        scale: what a difference is measured by, the largest reference delta around the tensor.
    """

    name: str
    shape: Shape
    exact: bool
    approx: bool
    maxdiff: float
    size: float
    scale: float

    @property
    def wrong(self) -> bool:
        """Neither close nor within rounding of the deltas around it.

        `torch.allclose` alone cries wolf: its absolute tolerance knows no scale, so that a large
        gradient's rounding on an element near zero fails it.
        """
        rounding = math.isfinite(self.maxdiff) and self.maxdiff <= WRONG * self.scale
        return not self.approx and not rounding


def compare(
    name: str, tensor: Tensor, delta: Tensor, reference: Tensor, scale: float | None = None
) -> Row:
    """Compare a delta with its reference; a shape that differs is wrong, never broadcast.

    Args:
        name: of the tensor.
        tensor: whose deltas they are.
        delta: in question.
        reference: what it should be.
        scale: the largest delta around it; by default the reference's own.
    """
    fits = delta.shape == tensor.shape == reference.shape
    size = largest(reference)
    return Row(
        name,
        tuple(tensor.shape),
        exact=fits and torch.equal(delta, reference),
        approx=fits and torch.allclose(delta, reference),
        maxdiff=largest(delta - reference) if fits else float("nan"),
        size=size,
        scale=size if scale is None else scale,
    )


def largest(tensor: Tensor) -> float:
    """The largest absolute value; 0 of nothing."""
    return tensor.abs().max().item() if tensor.numel() else 0.0


def gap(deltas: Deltas, reference: Deltas, params: Params, lead: int = 0) -> Tensor:
    """‖deltas − reference‖ / ‖reference‖ over all parameters of the network, per replica.

    One number that no single zero gradient can spoil: a bias under a BatchNorm has a true delta of
    zero, and its own relative error would be noise over noise. Two gradients of nothing agree
    (0), anything against nothing does not (infinity).

    Args:
        deltas: in question; may hold more than the parameters'.
        reference: what they should be.
        params: names the tensors to compare.
        lead: number of leading replica dimensions, `Trace.loss.dim()`.

    Returns:
        One value per replica, (...).
    """
    names = [(node, name) for node, tensors in params.items() for name in tensors]
    correct = [reference[node][name].flatten(lead) for node, name in names]
    given = [deltas[node][name].flatten(lead) for node, name in names]
    whole = torch.cat(correct, dim=-1)
    distance = torch.cat(given, dim=-1) - whole
    # Sums of squares overflow and underflow long before the gradients do.
    unit = whole.abs().amax(-1, keepdim=True)
    unit = torch.where(unit == 0, torch.ones_like(unit), unit)
    distance, size = ((part / unit).norm(dim=-1) for part in (distance, whole))
    return torch.where(distance == 0, distance, distance / size)


def verdict(gap: float) -> str:
    """What a gap means: "pass", "suspicious" or "wrong"; not a number is wrong."""
    if gap < PASS:
        return "pass"
    return "suspicious" if gap <= WRONG else "wrong"
