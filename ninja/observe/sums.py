"""A tensor reduced at once, where to keep it for later would take too much memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ninja.observe.arrays import Array, crowd, living, moments
from ninja.probes.columns import saturated
from ninja.rules import Rule

SMALL = 1 << 16
"""Elements of a tensor that is worth keeping: to reduce one of its own takes longer to ask for than
to do."""

Number = Tensor | float
"""A () tensor on a device, where to bring it here would stop the device; else here already."""


@dataclass(frozen=True)
class Sums:
    """What is left of one or several tensors.

    Nothing has vanished or overflown in it that the tensors themselves could hold.

    Attributes:
        size: elements.
        square: their sum of squares.
        total: their sum.
        crowd: saturated elements, of the output of a gate.
        living: (F,) units with any delta, of the delta of a pre-activation.
    """

    size: int
    square: Number
    total: Number
    crowd: Number | None = None
    living: Tensor | Array | None = None


def sums(t: Tensor, gate: Rule | None = None, width: int = 0) -> Sums:
    """Reduce a tensor.

    Args:
        t: any shape; features last, if it has a width.
        gate: whose output it is.
        width: features, if its living units are wanted.
    """
    t = t.detach()
    if t.element_size() < 4:
        t = t.float()  # which can count the elements
    if t.device.type == "cpu":
        return _here(t.numpy().reshape(-1), gate, width)
    flat = t.reshape(-1)
    dtype = _widest(t.device)
    return Sums(
        flat.numel(),
        torch.linalg.vector_norm(flat, dtype=dtype).square(),
        flat.sum(dtype=dtype),
        saturated(gate, flat) if gate is not None else None,
        flat.reshape(-1, width).ne(0).any(0) if width else None,
    )


def _here(values: Array, gate: Rule | None, width: int) -> Sums:
    with np.errstate(all="ignore"):  # what overflows is taken again
        square, total = moments(values)
    return Sums(
        len(values),
        square,
        total,
        crowd(values, gate) if gate is not None else None,
        living(values.reshape(-1, width)) > 0 if width else None,
    )


def joined(parts: Sequence[Sums]) -> Sums:
    """Of several tensors as if they were one."""
    first, *rest = parts
    for part in rest:
        first = Sums(
            first.size + part.size,
            first.square + part.square,
            first.total + part.total,
            _added(first.crowd, part.crowd),
            _either(first.living, part.living),
        )
    return first


def host(numbers: Sequence[Number]) -> Array:
    """All of them here, (numbers,), with one transfer."""
    if not any(isinstance(number, Tensor) for number in numbers):
        return np.array(numbers, np.float64)
    return np.array(elements([torch.as_tensor(number) for number in numbers]))


def elements(found: Sequence[Tensor]) -> list[float]:
    """Those of all tensors, one after the other, with one transfer."""
    away = [t.device for t in found if t.device.type != "cpu"]
    device = away[0] if away else torch.device("cpu")
    dtype = _widest(device)
    return torch.cat([t.reshape(-1).to(device, dtype) for t in found]).tolist() if found else []


def count(marks: Tensor | Array) -> Number:
    """How many are set."""
    return marks.sum() if isinstance(marks, Tensor) else int(np.count_nonzero(marks))


def _added(one: Number | None, other: Number | None) -> Number | None:
    return None if one is None or other is None else one + other


def _either(one: Tensor | Array | None, other: Tensor | Array | None) -> Tensor | Array | None:
    return None if one is None or other is None else one | other


def _widest(device: torch.device) -> torch.dtype:
    """Float64, or float32 on a device that has no other."""
    return torch.float32 if device.type == "mps" else torch.float64
