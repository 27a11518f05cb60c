"""When something was wrong, and whether it still is: one look alone is a whim."""

from dataclasses import dataclass

import numpy as np

from ninja.diagnosis.history import Numbers

Marks = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

LOOKS = 3
"""Looks one after the other that must agree, where there are as many."""

TAIL = 5
"""Looks that stand for the end."""

PART = 0.05
"""Of the run, by its steps: a fault that took so much of it has cost something."""


@dataclass(frozen=True)
class Episode:
    """A time in which something held.

    Attributes:
        first: the look it began at.
        to_the_end: it holds at most of the last looks, too.
        lasting: so it does, or it did for a good part of the run.
        value: the median of what was seen while it held.
    """

    first: int
    to_the_end: bool
    lasting: bool
    value: float


def episode(outside: Marks, values: Numbers, steps: Numbers) -> Episode | None:
    """The first time that something held for several looks one after the other.

    Args:
        outside: (looks,), whether it held.
        values: (looks,), of what; not a number where it was not seen, which breaks no episode.
        steps: (looks,), which they are.
    """
    known = np.flatnonzero(~np.isnan(values))
    held = outside[known]
    need = min(LOOKS, len(known))
    if not need:
        return None
    run = np.convolve(held, np.ones(need), "valid") == need
    if not run.any():
        return None
    start = int(run.argmax())
    tail = held[-min(TAIL, len(held)) :]
    over = np.flatnonzero(~held[start:])
    end = steps[known[start + over[0]]] if len(over) else steps[-1]
    part = (end - steps[known[start]]) / max(steps[-1] - steps[0], 1)
    last = bool(2 * tail.sum() > len(tail))
    value = float(np.median(values[known[held]]))
    return Episode(int(known[start]), last, last or bool(part >= PART), value)
