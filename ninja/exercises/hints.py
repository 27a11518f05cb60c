"""What is told to a learner who asks: the mistake if it is known, then more and more."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ninja.backward_check.hints import hint as by_numbers
from ninja.exercises.execute import Ran
from ninja.exercises.exercise import Exercise, Reference
from ninja.exercises.judge import Judged, Line
from ninja.exercises.recognise import recognise

CHANGED = (
    "is not what the forward pass made. Either an answer changes it in place (-=, /=, +=, [...] = "
    "on a tensor that is only another name for it: take a .clone() first), or the forward pass "
    "itself was edited; exercise start N --force writes it anew."
)


@dataclass(frozen=True)
class Hint:
    """One thing to say.

    Attributes:
        about: the row, or the tensor of the forward pass.
        text: what is said.
        solution: whether it is the worked solution.
    """

    about: str
    text: str
    solution: bool = False

    @property
    def digest(self) -> str:
        """By which it is remembered that it was told."""
        content = f"{self.about}\0{self.text}".encode()
        return hashlib.blake2b(content, digest_size=6).hexdigest()


def hints(exercise: Exercise, judged: Judged, ran: Ran, reference: Reference) -> tuple[Hint, ...]:
    """All there are for the first thing that is not right, the gentlest first."""
    if judged.changed:
        name = judged.changed[0]
        known = recognise(exercise, name, ran, reference)
        text = known.hint if known is not None else f"{name} {CHANGED}"
        return (Hint(name, text),)
    first = judged.first
    if first is None:
        return ()
    blank = exercise.blank(first.name)
    found: list[str] = []
    if first.state != "to do":
        known = recognise(exercise, first.name, ran, reference)
        found = [known.hint] if known is not None else _unknown(first, ran, reference)
    told = [Hint(first.name, text) for text in (*found, *blank.hints)]
    return (*told, Hint(first.name, blank.worked, solution=True))


def _unknown(line: Line, ran: Ran, reference: Reference) -> list[str]:
    """What numbers and shapes show of a mistake that nobody has foreseen."""
    if line.state == "shape" or line.said:
        return [f"{line.name} {line.said}."]
    if line.state == "error":
        return [] if ran.fault is None else [f"Line {ran.fault.line}: {ran.fault.said}."]
    value = ran.values[line.name]
    assert isinstance(value, Tensor)
    analytical, numerical = (
        tensor.numpy().astype(np.float64) for tensor in (value, reference.rows[line.name])
    )
    sizes: dict[int, str] = {}
    for name, tensor in reference.rows.items():
        for size in tensor.shape:
            sizes.setdefault(size, f"a dimension of {name}")
    said = by_numbers(analytical, numerical, None, sizes)
    said = said.partition(": what goes back through the mean")[0]  # a softmax sums to 0, too
    return [f"{line.name} {said}."] if said else []


def upcoming(all_hints: Collection[Hint], told: Collection[str]) -> Hint | None:
    """The first that was not told yet; the last again when all were."""
    untold = [one for one in all_hints if one.digest not in told]
    return next(iter(untold), next(reversed(tuple(all_hints)), None))
