"""Small tensors as arrays. BLAS and Python's own floats take less time over them than torch does.

What a call costs here is mostly the asking: a dot product is the quickest question there is.
"""

from collections.abc import Sequence
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
        self._gates = [(self._arrays[at - grads], plan.gated[at]) for at in plan.gates_at]
        self._read = [self._arrays[at - grads].reshape(-1, width) for at, width in plan.reached_at]

    def __call__(self, grads: Sequence[float]) -> list[float]:
        """Sums of squares, totals and counts: `Columns.sums` but for the roots.

        Args:
            grads: sums of squares of the gradients.
        """
        squares = [float(values.dot(values)) for values in self._arrays]
        totals = [float(values.dot(ones)) for values, ones in self._totals]
        for at, found in enumerate(squares):
            if not LOW < found < HIGH:  # what is not a number is neither
                squares[at] = exact(self._arrays[at])[0]
        for place, (at, near) in enumerate(zip(self._centred, self._near, strict=True)):
            if not totals[place] * totals[place] < near * squares[at]:
                squares[at], totals[place] = exact(self._arrays[at])
        crowds = [crowd(y, gate) for y, gate in self._gates]
        alive = [int(np.count_nonzero(living(dx))) for dx in self._read]
        return [*grads, *squares, *totals, *crowds, *alive]


def sums(plan: Columns, found: Sequence[Sequence[float]]) -> Values:
    """What `Reduced` has found of several looks, as `Columns.sums` has it, (sums, looks)."""
    together = np.array(found, np.float64).T
    together[: plan.count] = np.sqrt(together[: plan.count])
    return together
