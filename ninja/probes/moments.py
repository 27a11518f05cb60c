"""Norms and variances that hold at any size of the numbers.

They are taken in the tensors' own dtype where that is safe, which is nearly always, and once more
in float64 where it is not: where squares vanish or overflow, or where a mean is far larger than the
deviation around it. To see which, the numbers have come to the host, and the rest is numpy.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ninja.probes.blocks import Values

Marks = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

SMALL, LARGE = 1e-15, 1e15
"""Between these a norm in float32 has lost nothing: squares vanish below 1e-45."""

CANCELLED = 0.05
"""Share of the mean square that a variance must be, to be what is left of it without the mean."""


def norms(tensors: Sequence[Tensor]) -> list[Tensor]:
    """√(sum of squares) of each tensor, (B,) each, safe or not.

    Args:
        tensors: (B, elements) each.
    """
    return [torch.linalg.vector_norm(t, dim=-1) for t in tensors]


def means(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The mean of each tensor, (B,) each."""
    return [t.mean(-1) for t in tensors]


def variances(norm: Values, mean: Values, size: Values) -> Values:
    """Mean square of the distance from the mean, (tensors, B), safe or not.

    Args:
        norm: (tensors, B).
        mean: (tensors, B).
        size: (tensors, 1), elements of each.
    """
    return norm * norm / size - mean * mean


def is_safe(norm: Values, centred: Values, total: Values, size: Values) -> bool:
    """Whether all norms are, and the variances of those that are centred.

    Args:
        norm: (tensors, B).
        centred: (centred, B), norms of those that have a mean.
        total: (centred, B), sums.
        size: (centred, 1).
    """
    if not (norm.size and norm.min() > SMALL and norm.max() < LARGE):  # a NaN is neither
        return False
    return bool((total * total < (1 - CANCELLED) * size * (centred * centred)).all())


def mend_norms(norm: Values, tensors: Sequence[Tensor]) -> None:
    """Take those norms again that are not safe; no other changes, whatever stands beside it.

    Args:
        norm: (tensors, B), what `norms` found; changed in place.
        tensors: of which, (B, elements) each.
    """
    for k, unsafe in _unsafe((norm > SMALL) & (norm < LARGE)):
        np.copyto(norm[k], _norm64(tensors[k]).cpu().numpy(), where=unsafe)


def mend_variances(variance: Values, norm: Values, size: Values, tensors: Sequence[Tensor]) -> None:
    """Take those variances again that are not safe.

    Args:
        variance: (tensors, B), what `variances` found; changed in place.
        norm: (tensors, B).
        size: (tensors, 1).
        tensors: of which, (B, elements) each.
    """
    # not a number is not safe
    for k, unsafe in _unsafe(variance > CANCELLED * (norm * norm / size)):
        exact = tensors[k].double()
        norm64 = _norm64(exact - exact.mean(-1, keepdim=True)).cpu().numpy()
        np.copyto(variance[k], norm64 * norm64 / exact.shape[-1], where=unsafe)


def host(found: Sequence[Tensor]) -> Values:
    """Tensors of one shape as one array, with one transfer; of none, an empty one."""
    if not found:
        return np.empty((0, 0))
    shape = found[0].shape
    join = torch.cat if shape else torch.stack  # numbers cannot be laid end to end; it takes half
    return join(tuple(found)).cpu().numpy().reshape(len(found), *shape).astype(np.float64)


def bessel(size: Values) -> Values:
    """n/(n − 1); of one element there is no unbiased variance."""
    with np.errstate(divide="ignore"):
        return np.where(size > 1, size / (size - 1), np.nan)


def split(values: Values, *counts: int) -> list[Values]:
    """Consecutive parts, the rest last; a tenth of `np.split`'s time."""
    parts: list[Values] = []
    start = 0
    for count in counts:
        parts.append(values[start : start + count])
        start += count
    return [*parts, values[start:]]


def _unsafe(safe: Marks) -> list[tuple[int, Marks]]:
    """The tensors of which one of the numbers is not safe, and which."""
    return [(k, ~safe[k]) for k in np.flatnonzero(~safe.all(-1)).tolist()]


def _norm64(flattened: Tensor) -> Tensor:
    return torch.linalg.vector_norm(flattened, dim=-1, dtype=torch.float64)
