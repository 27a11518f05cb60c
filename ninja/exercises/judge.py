"""Row by row: what the learner's file has, against what is right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ninja.agreement import compare, largest
from ninja.exercises.execute import Ran
from ninja.exercises.exercise import Exercise, Reference
from ninja.exercises.shapes import shape_mistake
from ninja.types import Shape

State = Literal["exact", "approx", "wrong", "shape", "error", "to do"]


@dataclass(frozen=True)
class Line:
    """One row.

    Attributes:
        name: of the row.
        shape: that it must have.
        state: "shape" if it has another one, "error" if the file stopped at it, "to do" if nothing
            is written there yet.
        maxdiff: the largest absolute difference; None where there is none to take.
        said: what is wrong with it, where that can be said in a few words.
    """

    name: str
    shape: Shape
    state: State
    maxdiff: float | None = None
    said: str = ""

    @property
    def right(self) -> bool:
        """Exact, or but for rounding."""
        return self.state in ("exact", "approx")


@dataclass(frozen=True)
class Judged:
    """A whole file.

    Attributes:
        lines: one a row, in backward order.
        changed: tensors of the forward pass that are not what they should be.
    """

    lines: tuple[Line, ...]
    changed: tuple[str, ...] = ()

    @property
    def first(self) -> Line | None:
        """The first row in backward order that is wrong; if none is, the first one to do."""
        left = [line for line in self.lines if not line.right]
        wrong = [line for line in left if line.state != "to do"]
        return next(iter(wrong or left), None)

    @property
    def done(self) -> bool:
        """All is right, and the forward pass as it was."""
        return self.first is None and not self.changed

    @property
    def right(self) -> int:
        """How many rows are."""
        return sum(line.right for line in self.lines)


def judge(exercise: Exercise, ran: Ran, reference: Reference) -> Judged:
    """Compare all rows."""
    stopped = ran.fault.rows if ran.fault is not None else ()
    lines: list[Line] = []
    for name, correct in reference.rows.items():
        value = ran.values.get(name)
        if value is None or name in stopped:
            state: State = "error" if name in stopped else "to do"
            lines.append(Line(name, tuple(correct.shape), state))
            continue
        scale = largest(reference.rows[exercise.beside[name]]) if name in exercise.beside else None
        lines.append(_line(name, value, correct, scale, reference))
    return Judged(tuple(lines), _changed(ran.given, reference.given))


def _line(
    name: str, value: Tensor | str, correct: Tensor, scale: float | None, reference: Reference
) -> Line:
    shape = tuple(correct.shape)
    if isinstance(value, str):
        return Line(name, shape, "wrong", said=value)
    if value.shape != correct.shape:
        return Line(
            name, shape, "shape", said=shape_mistake(tuple(value.shape), shape, _sizes(reference))
        )
    delta = value.to(correct.dtype)
    if not torch.isfinite(delta).all():
        return Line(name, shape, "wrong", said="is not finite")
    row = compare(name, correct, delta, correct, scale)
    state: State = "exact" if row.exact else "wrong" if row.wrong else "approx"
    return Line(name, shape, state, row.maxdiff)


def _sizes(reference: Reference) -> frozenset[int]:
    """The numbers of rows there are: the first dimension of matrices that are not one row."""
    return frozenset(t.shape[0] for t in reference.rows.values() if t.dim() > 1 and t.shape[0] > 1)


def _changed(given: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> tuple[str, ...]:
    return tuple(
        name
        for name, tensor in given.items()
        if tensor.shape != right[name].shape or not torch.equal(tensor, right[name])
    )
