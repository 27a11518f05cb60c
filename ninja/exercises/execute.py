"""A learner's file is run: what it has defined, what it has printed, and where it stopped."""

import io
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ninja.exercises.exercise import Exercise, Names
from ninja.exercises.stopped import Fault, stopped, unreadable

PRINTED = 4000
"""Characters of what a file prints that are kept."""


@dataclass(frozen=True)
class Ran:
    """What a file left behind.

    Attributes:
        values: by row, a tensor, or in words what it is in place of one.
        given: tensors of the forward pass, as the file left them.
        fault: the first.
        printed: what it printed.
    """

    values: Mapping[str, Tensor | str]
    given: Mapping[str, Tensor]
    fault: Fault | None = None
    printed: str = ""


class _Bounded(io.StringIO):
    """Takes all that is written, and keeps the beginning."""

    def write(self, text: str) -> int:
        super().write(text[: max(0, PRINTED - self.tell())])
        return len(text)


def execute(exercise: Exercise, source: str, file: str, given: tuple[str, ...]) -> Ran:
    """Run the file here and now; see `ninja.exercises.separate` for files that are not trusted.

    Args:
        exercise: whose file it is.
        source: its text.
        file: its name, for those it shows.
        given: the names of the forward pass.
    """
    printed = _Bounded()
    names: Names = {"__name__": "__main__", "__file__": file}
    values: dict[str, Tensor | str] = {}
    with redirect_stdout(printed), redirect_stderr(printed):
        fault = _run(source, file, names)
        for part in exercise.parts:
            try:
                taken = part.take(names)
            except (Exception, SystemExit) as error:
                taken = {}
                fault = fault or stopped(error, source, file, names, tuple(part.rows))
            values |= {
                row: plain for row, value in taken.items() if (plain := _plain(value)) is not None
            }
    kept = {name: names[name] for name in given if isinstance(names.get(name), Tensor)}
    return Ran(values, kept, fault, printed.getvalue())


def _run(source: str, file: str, names: Names) -> Fault | None:
    try:
        code = compile(source, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:  # ValueError: a NUL character
        return unreadable(error, source)
    try:
        exec(code, names)
    except (Exception, SystemExit) as error:
        return stopped(error, source, file, names, ())
    return None


def _plain(value: Any) -> Tensor | str | None:
    """A tensor as it can be compared; None where nothing was written yet."""
    if value is None or value is ...:
        return None
    if isinstance(value, bool | int | float):
        return torch.tensor(float(value), dtype=torch.float64)
    if not isinstance(value, Tensor):
        try:
            value = torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError):
            return f"is a {type(value).__name__}, and must be a tensor"
    if value.layout is not torch.strided or value.is_complex():
        kind = value.dtype if value.is_complex() else value.layout
        return f"is {kind}, and must be dense and real"
    return value.detach().cpu().clone()
