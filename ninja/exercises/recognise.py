"""Which known mistake gives exactly this wrong answer."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ninja.agreement import largest
from ninja.exercises.execute import Ran, execute
from ninja.exercises.exercise import Exercise, Mistake, Reference

CLOSE = 1e-3
"""Of the error: two ways to write one mistake differ by rounding alone."""

ROUNDING = 1e-6
"""Of the values themselves, in float32."""


def recognise(exercise: Exercise, wrong: str, ran: Ran, reference: Reference) -> Mistake | None:
    """The mistake that, in a file that is right otherwise, gives what this one has.

    Several may give the same in the place in question; then it is the one that agrees in all other
    rows of its blank, too, if there is one.

    Args:
        exercise: the worked solution of which the mistakes are planted in.
        wrong: the first thing that is wrong: a row, or a tensor of the forward pass.
        ran: what the learner's file left.
        reference: what is right.
    """
    found: list[Mistake] = []
    right = {**reference.given, **reference.rows}
    for blank in exercise.blanks:
        rows = [row for row, of in exercise.rows.items() if of == blank.name]
        for mistake in blank.mistakes:
            if wrong == mistake.shows or (not mistake.shows and wrong in rows):
                source = exercise.solved({blank.name: mistake.code})
                planted = execute(exercise, source, "mistake.py", tuple(ran.given))
                if not _alike(planted, ran, wrong, right):
                    continue
                if all(_alike(planted, ran, row, right) for row in rows):
                    return mistake
                found.append(mistake)
    return next(iter(found), None)


def _alike(planted: Ran, ran: Ran, name: str, right: Mapping[str, Tensor]) -> bool:
    one, other = (run.values.get(name, run.given.get(name)) for run in (planted, ran))
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return _same(one, other, right[name])
    if one is None and other is None and planted.fault is not None and ran.fault is not None:
        stopped = name in planted.fault.rows and name in ran.fault.rows
        return stopped and planted.fault.reason == ran.fault.reason
    return one == other if isinstance(one, str) and isinstance(other, str) else False


def _same(one: Tensor, other: Tensor, right: Tensor) -> bool:
    """Not whether the values are close, but whether what is wrong with them is."""
    if one.shape != other.shape:
        return False
    one, other = one.double(), other.double()
    finite = torch.isfinite(one)
    if not torch.equal(finite, torch.isfinite(other)):
        return False
    if right.shape != one.shape:
        right = torch.zeros_like(one)
    error = largest((one - right.double())[finite])
    allowed = CLOSE * error + ROUNDING * largest(one[finite])
    return largest((one - other)[finite]) <= allowed
