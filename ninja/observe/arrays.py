"""Small tensors as arrays. BLAS and Python's own floats take less time over them than torch does.

What a call costs here is mostly the asking: a dot product is the quickest question there is.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from torch import Tensor

from ninja.probes.blocks import Values
from ninja.probes.columns import SATURATED, Columns
from ninja.probes.moments import CANCELLED, LARGE, SMALL
from ninja.rules import Rule, Sigmoid

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]

LOW, HIGH = SMALL**2, LARGE**2
"""Between these a sum of squares in float32 has lost nothing."""


def array(t: Tensor) -> Array:
    """The elements of a tensor, (elements,): its own memory if they lie in order."""
    return t.numpy().reshape(-1)


def moments(values: Array) -> tuple[float, float]:
    """Sum of squares and sum, by float64 where a variance made of them would not hold."""
    found = float(values.dot(values))
    total = float(values.sum())
    near = total * total < (1 - CANCELLED) * len(values) * found
    return (found, total) if LOW < found < HIGH and near else exact(values)


def exact(values: Array) -> tuple[float, float]:
    """Sum of squares and sum, by float64."""
    wide = values.astype(np.float64)
    return float(wide.dot(wide)), float(wide.sum())


def crowd(y: Array, gate: Rule) -> int:
    """Saturated elements: `ninja.probes.columns.saturated` of an array."""
    size = np.abs(2 * y - 1 if isinstance(gate, Sigmoid) else y)
    return int(np.count_nonzero(size > SATURATED))


def living(dx: Array) -> Array:
    """How large each unit's deltas are, (F,): 0 of those that are dead, as in `columns.alive`.

    Args:
        dx: (N, F).
    """
    return np.ones(len(dx), dx.dtype).dot(np.abs(dx))


@dataclass(frozen=True)
class Run:
    """Outputs or deltas of one size, side by side, whose elements or units are counted.

    Attributes:
        values: (tensors, elements), where they lie.
        sizes: of the same shape, room for their absolute values.
        ones: (N,).
        gate: the rule of outputs that saturate.
        width: features, if living units are counted.
    """

    values: Array
    sizes: Array
    ones: Array
    gate: Rule | None
    width: int

    def crowds(self) -> list[int]:
        """See `crowd`."""
        y = 2 * self.values - 1 if isinstance(self.gate, Sigmoid) else self.values
        beyond = np.abs(y, out=self.sizes) > SATURATED
        return [int(np.count_nonzero(one)) for one in beyond]

    def alive(self) -> list[int]:
        """See `living`."""
        rows = self.values.reshape(len(self.values), -1, self.width)
        if rows[:, 0].all():  # no other row needs be read
            return [self.width] * len(rows)
        np.abs(rows, out=self.sizes.reshape(rows.shape))
        sums = np.matmul(self.ones, self.sizes.reshape(rows.shape))
        return [int(np.count_nonzero(one)) for one in sums]


class Reduced:
    """What a plan wants of tensors that lie end to end, and whose contents change."""

    def __init__(self, plan: Columns, laid: Array) -> None:
        """Plan.

        Args:
            plan: of the look.
            laid: all that it measures, in its order: (elements,).
        """
        self._arrays = np.split(laid, np.cumsum(plan.counts)[:-1])
        self._squares, self._totals = np.empty((2, plan.count), laid.dtype)
        ones = np.ones(max(plan.counts, default=0), laid.dtype)
        centred = frozenset(plan.centred)
        self._parts: list[tuple[Array, Array, Array, Array | None]] = []
        for at, values in _alike(plan, laid, lambda at: at in centred):
            to = slice(at, at + len(values))
            own = ones[: plan.counts[at]] if at in centred else None
            self._parts.append((values, self._squares[to], self._totals[to], own))
        self._centred = np.array(plan.centred, np.intp)
        self._near = (1 - CANCELLED) * plan.size[:, 0]
        gate, width = plan.gated.get, plan.widths.get
        counted = _alike(plan, laid, lambda at: (gate(at), width(at)))
        runs = [_run(values, gate(at), width(at, 0)) for at, values in counted]
        self._gates = [run for run in runs if run.gate is not None]
        self._read = [run for run in runs if run.width]
        gates, read = sorted(plan.gated), sorted(plan.widths)
        self._order = [gates.index(at) for at in plan.gates_at]
        self._order += [len(gates) + read.index(at) for at, _ in plan.reached_at]

    def __call__(self) -> Values:
        """Sums of squares, totals and counts, (sums,): `Columns.sums` but for the roots."""
        for values, square, total, ones in self._parts:
            np.vecdot(values, values, out=square)
            if ones is not None:  # while it is in the cache
                np.matmul(values, ones, out=total)
        squares, totals = self._squares.astype(np.float64), self._totals.take(self._centred)
        totals = totals.astype(np.float64)
        if not (squares.min() > LOW and squares.max() < HIGH):
            for at in np.flatnonzero(~((squares > LOW) & (squares < HIGH))).tolist():
                squares[at] = exact(self._arrays[at])[0]
        near = totals * totals < self._near * squares.take(self._centred)
        if not near.all():
            for place in np.flatnonzero(~near).tolist():
                at = self._centred[place]
                squares[at], totals[place] = exact(self._arrays[at])
        counts = [count for run in self._gates for count in run.crowds()]
        counts += [count for run in self._read for count in run.alive()]
        return np.concatenate([squares, totals, [counts[at] for at in self._order]])


def sums(plan: Columns, found: Sequence[Values]) -> Values:
    """What `Reduced` has found of several looks, as `Columns.sums` has it, (sums, looks)."""
    together = np.stack(found, axis=1)
    together[: plan.count] = np.sqrt(together[: plan.count])
    return together


def _alike(
    plan: Columns, laid: Array, asked: Callable[[int], Hashable]
) -> Iterator[tuple[int, Array]]:
    """The neighbours of one size of which the same is asked.

    Yields:
        The place of the first, and all of them, (tensors, elements).
    """
    start = 0
    for (size, _), run in groupby(range(plan.count), lambda at: (plan.counts[at], asked(at))):
        places = list(run)
        end = start + len(places) * size
        yield places[0], laid[start:end].reshape(len(places), size)
        start = end


def _run(values: Array, gate: Rule | None, width: int) -> Run:
    ones = np.ones(values.shape[1] // width if width else 0, values.dtype)
    return Run(values, np.empty_like(values), ones, gate, width)
