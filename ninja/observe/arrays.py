"""Small tensors as arrays. BLAS and Python's own floats take less time over them than torch does.

What a call costs here is mostly the asking: a dot product is the quickest question there is.
"""

from collections.abc import Iterable, Iterator, Sequence
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


def square(values: Array) -> float:
    """Sum of squares, by float64 where they vanish or overflow in the values' own dtype."""
    found = float(np.vdot(values, values))
    return found if LOW < found < HIGH else exact(values.reshape(-1))[0]


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
        rows = np.abs(self.values, out=self.sizes).reshape(len(self.values), -1, self.width)
        return [int(np.count_nonzero(self.ones.dot(one))) for one in rows]


class Reduced:
    """What a plan wants of arrays that stay where they are, while their contents change."""

    def __init__(
        self, plan: Columns, params: Sequence[Array], laid: Array, moved: Sequence[Array]
    ) -> None:
        """Plan.

        Args:
            plan: of the look.
            params: all of them, in the plan's order, (elements,) each.
            laid: the deltas and the outputs, in its order, end to end.
            moved: the directions of the updates, in its order.
        """
        of = plan.subjects
        grads, first = len(of.graded), len(of.graded) + len(of.params)
        places = range(first, first + len(of.outputs) + len(of.units))
        ends = np.cumsum([plan.counts[at] for at in places])[:-1]
        self._arrays = [*params, *np.split(laid, ends), *moved]
        self._centred = [at - grads for at in plan.centred]
        centred = [self._arrays[at] for at in self._centred]
        ones = np.ones(max(map(len, centred), default=0), laid.dtype)
        self._totals = [(values, ones[: len(values)]) for values in centred]
        self._near = ((1 - CANCELLED) * plan.size[:, 0]).tolist()
        asked = ((plan.counts[at], plan.gated.get(at), plan.widths.get(at, 0)) for at in places)
        runs = list(_runs(asked, laid))
        self._gates = [run for run in runs if run.gate is not None]
        self._read = [run for run in runs if run.width]
        gates = [at for at in places if at in plan.gated]
        read = [at for at in places if at in plan.widths]
        self._order = [gates.index(at) for at in plan.gates_at]
        self._order += [len(gates) + read.index(at) for at, _ in plan.reached_at]

    def __call__(self, grads: Sequence[float]) -> list[float]:
        """Sums of squares, totals and counts: `Columns.sums` but for the roots.

        Args:
            grads: sums of squares of the gradients.
        """
        squares = [float(values.dot(values)) for values in self._arrays]
        totals = [float(values.dot(ones)) for values, ones in self._totals]
        if not (min(squares) > LOW and max(squares) < HIGH):
            for at, found in enumerate(squares):
                if not LOW < found < HIGH:
                    squares[at] = exact(self._arrays[at])[0]
        for place, (at, near) in enumerate(zip(self._centred, self._near, strict=True)):
            if not totals[place] * totals[place] < near * squares[at]:
                squares[at], totals[place] = exact(self._arrays[at])
        counts = [count for run in self._gates for count in run.crowds()]
        counts += [count for run in self._read for count in run.alive()]
        return [*grads, *squares, *totals, *(counts[at] for at in self._order)]


def sums(plan: Columns, found: Sequence[Sequence[float]]) -> Values:
    """What `Reduced` has found of several looks, as `Columns.sums` has it, (sums, looks)."""
    together = np.array(found, np.float64).T
    together[: plan.count] = np.sqrt(together[: plan.count])
    return together


def _runs(asked: Iterable[tuple[int, Rule | None, int]], laid: Array) -> Iterator[Run]:
    """The neighbours of which the same is asked: elements, gate and width of each."""
    start = 0
    for (size, gate, width), run in groupby(asked):
        count = len(list(run))
        values = laid[start : start + count * size].reshape(count, size)
        ones = np.ones(size // width if width else 0, laid.dtype)
        yield Run(values, np.empty_like(values), ones, gate, width)
        start += count * size
