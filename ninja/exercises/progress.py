"""How far a learner is: a file beside the exercises, ``.ninja-exercises.json``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from ninja import durable
from ninja.errors import RecordError

NAME = ".ninja-exercises.json"


@dataclass(frozen=True)
class Progress:
    """Of one exercise's file.

    Attributes:
        exercise: its number.
        right: rows that were right when it was checked last.
        rows: how many it has.
        checks: how often it was checked.
        done: all has been right once.
        told: the hints that were given, each by its digest.
        solutions: the rows whose worked solution was shown.
    """

    exercise: int
    right: int = 0
    rows: int = 0
    checks: int = 0
    done: bool = False
    told: tuple[str, ...] = ()
    solutions: tuple[str, ...] = ()

    def checked(self, right: int, rows: int, done: bool) -> "Progress":
        """After one more check."""
        return replace(self, right=right, rows=rows, checks=self.checks + 1, done=self.done or done)

    def hinted(self, digest: str, solved: str = "") -> "Progress":
        """After one more hint.

        Args:
            digest: of the hint.
            solved: the row, if it was its worked solution.
        """
        told = dict.fromkeys((*self.told, digest))
        solutions = dict.fromkeys((*self.solutions, *filter(None, (solved,))))
        return replace(self, told=tuple(told), solutions=tuple(solutions))


def read(folder: Path) -> dict[str, Progress]:
    """By the name of the exercise's file; empty where none was started.

    Raises:
        RecordError: the file is damaged, or cannot be read.
    """
    path = folder / NAME
    try:
        content = durable.read(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RecordError(f"{str(path)!r}: cannot be read: {error.strerror}") from None
    try:
        found: Any = orjson.loads(content)
        return {name: _progress(one) for name, one in found.items()}
    except (orjson.JSONDecodeError, AttributeError, TypeError, KeyError, ValueError):
        raise RecordError(
            f"{str(path)!r}: damaged; remove it, and the next check begins it anew"
        ) from None


def _progress(plain: Mapping[str, Any]) -> Progress:
    """Raises ValueError, or what a missing field raises, where it is none."""
    numbers: list[Any] = [plain[name] for name in ("exercise", "right", "rows", "checks", "done")]
    if not all(isinstance(value, int) for value in numbers) or numbers[0] not in range(1, 6):
        raise ValueError(plain)
    told, solutions = (tuple(map(str, plain[name])) for name in ("told", "solutions"))
    exercise, right, rows, checks, done = numbers
    return Progress(exercise, right, rows, checks, bool(done), told, solutions)


def write(folder: Path, progress: Mapping[str, Progress]) -> None:
    """Replace the file.

    Raises:
        RecordError: it cannot be written.
    """
    plain = {name: asdict(one) for name, one in progress.items()}
    path = folder / NAME
    try:
        durable.write(path, orjson.dumps(plain, option=orjson.OPT_INDENT_2))
    except OSError as error:
        raise RecordError(f"{str(path)!r}: progress is not kept: {error.strerror}") from None
