"""Small tensors as arrays. BLAS and Python's own floats take less time over them than torch does.

What a call costs here is mostly the asking: a dot product is the quickest question there is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import call, lt, mul
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


def squares(arrays: Sequence[Array]) -> list[float]:
    """Sums of squares, by float64 where they vanish or overflow in the arrays' own dtype.

    Args:
        arrays: of any shape.
    """
    return mended([float(np.vdot(values, values)) for values in arrays], arrays)


def mended(found: list[float], arrays: Iterable[Array]) -> list[float]:
    """Sums of squares, those by float64 that have vanished or overflowed."""
    if not found or (min(found) > LOW and max(found) < HIGH):
        return found
    pairs = zip(found, arrays, strict=True)
    return [of if LOW < of < HIGH else exact(values.reshape(-1))[0] for of, values in pairs]


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
class Block:
    """Outputs or deltas of which the same is asked, side by side.

    To ask one question of all of them takes hardly longer than to ask it of one.

    Attributes:
        places: in the plan.
        values: (tensors, elements), where they lie.
        gate: the rule of outputs that saturate.
        width: features, if living units are counted.
        sizes: of the same shape, room for their absolute values, if anything is counted.
        beyond: of the same shape, room for which are saturated, if they are.
        ones: (N,), rows of each.
    """

    places: range
    values: Array
    gate: Rule | None
    width: int
    sizes: Array
    beyond: Array
    ones: Array

    @classmethod
    def of(cls, plan: Columns, places: range, values: Array) -> "Block":
        """Of neighbours in a plan."""
        values = values.reshape(len(places), -1)
        gate, width = plan.gated.get(places[0]), plan.widths.get(places[0], 0)
        sizes = np.empty_like(values if gate or width else values[:0])
        beyond = np.empty_like(values if gate else values[:0], np.bool_)
        ones = np.ones(values.shape[1] // width if width else 0, values.dtype)
        return cls(places, values, gate, width, sizes, beyond, ones)

    def counts(self) -> list[int]:
        """Of each: see `crowd` and `living`."""
        return self._alive() if self.width else self._crowds()

    def _crowds(self) -> list[int]:
        y = 2 * self.values - 1 if isinstance(self.gate, Sigmoid) else self.values
        beyond = np.greater(np.abs(y, self.sizes), SATURATED, self.beyond)
        return [int(np.count_nonzero(one)) for one in beyond]

    def _alive(self) -> list[int]:
        count, width = len(self.places), self.width
        if np.count_nonzero(self.values[:, :width]) == count * width:
            return [width] * count  # all live on the first row, and no other needs be read
        rows = np.abs(self.values, self.sizes).reshape(count, -1, width)
        return [int(np.count_nonzero(self.ones.dot(one))) for one in rows]


class Reduced:
    """What a plan wants of arrays that stay where they are, while their contents change.

    What takes the time is to bring them to the processor, so each is asked everything at once.
    """

    def __init__(
        self,
        plan: Columns,
        params: Sequence[Array],
        laid: Array,
        moved: Sequence[tuple[Array, Array]],
    ) -> None:
        """Plan.

        Args:
            plan: of the look.
            params: all of them, in the plan's order, (elements,) each.
            laid: the deltas and the outputs, in its order, end to end.
            moved: in its order, what each matrix was before the update, and itself; of the former
                the latter is taken away.
        """
        of = plan.subjects
        self._own, first = len(of.graded), len(of.graded) + len(of.params)
        last = first + len(of.outputs) + len(of.units)
        self._found = np.empty(plan.count + len(plan.centred), laid.dtype)
        self._end, self._centred = plan.count, plan.centred
        self._near = ((1 - CANCELLED) * plan.size[:, 0]).tolist()
        self._ones = np.ones(max(plan.counts), laid.dtype)
        self._arrays: dict[int, Array] = {}
        self._calls: list[Callable[[], Any]] = []
        blocks = list(_blocks(plan, range(first, last), laid))
        for block in blocks:
            self._ask(plan, block.places, block.values)
        others = dict(zip(of.params, enumerate(params, self._own), strict=True))
        for at, (name, (before, matrix)) in enumerate(zip(of.moved, moved, strict=True), last):
            self._calls.append(partial(np.subtract, before, matrix, before))
            self._ask_one(plan, at, before)
            self._ask_one(plan, *others.pop(name))
        for at, values in others.values():
            self._ask_one(plan, at, values)
        self._arrays = dict(sorted(self._arrays.items()))
        self._counting = [block for block in blocks if len(block.sizes)]
        counted = [at for block in self._counting for at in block.places]
        asked = [*plan.gates_at, *(at for at, _ in plan.reached_at)]
        self._order = [counted.index(at) for at in asked]

    def _ask(self, plan: Columns, places: range, values: Array) -> None:
        """Have neighbours reduced, (tensors, elements)."""
        at, count = places[0], len(places)
        self._arrays.update(zip(places, values, strict=True))
        self._calls.append(partial(np.vecdot, values, values, self._found[at : at + count]))
        self._ask_totals(plan, at, values)

    def _ask_one(self, plan: Columns, at: int, values: Array) -> None:
        """Have a single array reduced, (elements,), which takes half the time of a row."""
        values = values.reshape(-1)
        self._arrays[at] = values
        self._calls.append(partial(values.dot, values, self._found[at : at + 1].reshape(())))
        self._ask_totals(plan, at, values[None])

    def _ask_totals(self, plan: Columns, at: int, values: Array) -> None:
        if at in plan.centred:
            total = plan.count + plan.centred.index(at)
            into = self._found[total : total + len(values)]
            self._calls.append(partial(values.dot, self._ones[: values.shape[1]], into))

    def __call__(self, grads: Sequence[float]) -> list[float]:
        """Sums of squares, totals and counts: `Columns.sums` but for the roots.

        Args:
            grads: sums of squares of the gradients.
        """
        for _ in map(call, self._calls):
            pass
        found = self._found.tolist()
        found[: self._own] = grads
        counts = [count for block in self._counting for count in block.counts()]
        found[self._own : self._end] = mended(found[self._own : self._end], self._arrays.values())
        totals = found[self._end :]
        needed = map(mul, self._near, map(found.__getitem__, self._centred))
        if not all(map(lt, map(mul, totals, totals), needed)):
            for place, (at, near) in enumerate(zip(self._centred, self._near, strict=True)):
                if not totals[place] * totals[place] < near * found[at]:
                    found[at], found[self._end + place] = exact(self._arrays[at])
        return [*found, *map(counts.__getitem__, self._order)]


def sums(plan: Columns, found: Sequence[Sequence[float]]) -> Values:
    """What `Reduced` has found of several looks, as `Columns.sums` has it, (sums, looks)."""
    together = np.array(found, np.float64).T
    together[: plan.count] = np.sqrt(together[: plan.count])
    return together


def _blocks(plan: Columns, places: range, laid: Array) -> Iterator[Block]:
    """The neighbours among these places of which the same is asked, of as many elements."""
    totals, start = {at: total for total, at in enumerate(plan.centred)}, 0

    def asked(at: int) -> tuple[Any, ...]:
        return plan.counts[at], plan.gated.get(at), plan.widths.get(at, 0), at in totals

    for (size, *_), run in groupby(places, asked):
        found = list(run)
        end = start + size * len(found)
        yield Block.of(plan, range(found[0], found[-1] + 1), laid[start:end])
        start = end
