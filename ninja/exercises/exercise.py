"""What an exercise is: a file with blanks, what belongs into each, and what people put there."""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Names = dict[str, Any]
"""What a file has defined when it has run."""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that is recognised by what it gives.

    Attributes:
        code: what stands in place of the blank.
        hint: what is told of it.
        shows: the first thing that is wrong then, a row or a tensor of the forward pass; the
            blank's first row if empty.
    """

    code: str
    hint: str
    shows: str = ""


@dataclass(frozen=True)
class Blank:
    """What the learner writes in one place.

    Attributes:
        name: of the tensor or function.
        hints: from a question to the rule, each more explicit than the one before.
        solution: the code that belongs there.
        why: the derivation that leads to it.
        mistakes: known wrong answers.
        empty: what stands there at first; ``name = None`` if nothing is given.
    """

    name: str
    hints: tuple[str, ...]
    solution: str
    why: str
    mistakes: tuple[Mistake, ...] = ()
    empty: str = ""

    @property
    def worked(self) -> str:
        """The last hint: the derivation and the code."""
        return f"{self.why}\n\n{textwrap.indent(self.solution.strip(), '    ')}"


@dataclass(frozen=True)
class Reference:
    """What is right.

    Attributes:
        rows: by row, what autograd or torch gives.
        given: by name, what the forward pass makes, which no answer may change.
    """

    rows: Mapping[str, Tensor]
    given: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


@dataclass(frozen=True)
class Part:
    """Rows that are taken from a finished file together.

    Attributes:
        rows: their names, in backward order, each with the blank it belongs to.
        take: returns those it can; it calls the learner's functions, if there are any.
    """

    rows: Mapping[str, str]
    take: Callable[[Names], Mapping[str, Any]]


@dataclass(frozen=True)
class Exercise:
    """One of the five.

    Attributes:
        number: 1 to 5.
        title: in a few words.
        text: of the file, a line ``«name»`` where a blank is.
        blanks: in backward order.
        parts: where the rows come from.
        reference: makes what is right.
        beside: rows whose true value is 0, with the row whose size their rounding is judged by.
    """

    number: int
    title: str
    text: str
    blanks: tuple[Blank, ...]
    parts: tuple[Part, ...]
    reference: Callable[[], Reference]
    beside: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def rows(self) -> dict[str, str]:
        """Every row in backward order, with the blank it belongs to."""
        return {row: blank for part in self.parts for row, blank in part.rows.items()}

    def blank(self, row: str) -> Blank:
        """Whose answer decides this row."""
        name = self.rows[row]
        return next(blank for blank in self.blanks if blank.name == name)

    def start(self) -> str:
        """The file as a learner gets it."""
        return self._filled(
            {blank.name: blank.empty or f"{blank.name} = None" for blank in self.blanks}
        )

    def solved(self, instead: Mapping[str, str] | None = None) -> str:
        """The file with every blank filled, some of them otherwise.

        Args:
            instead: by the blank's name, other code than the solution.
        """
        solutions = {blank.name: blank.solution for blank in self.blanks}
        return self._filled(solutions | dict(instead or {}))

    def _filled(self, codes: Mapping[str, str]) -> str:
        lines: list[str] = []
        for line in self.text.splitlines():
            mark = line.strip()
            if mark.startswith("«"):
                code = textwrap.dedent(codes[mark.strip("«»")]).strip("\n")
                indent = line[: len(line) - len(line.lstrip())]
                lines += textwrap.indent(code, indent).splitlines()
            else:
                lines.append(line)
        return "\n".join(lines) + "\n"


def named(rows: Mapping[str, str]) -> Part:
    """Rows that are the tensors of these names."""
    return Part(rows, lambda names: {row: names[row] for row in rows if row in names})
