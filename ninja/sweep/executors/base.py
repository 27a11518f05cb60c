"""What every executor does: it has stacks trained somewhere, and passes on what is said of them."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from ninja.sweep.jobs import Job, Message

Stack = Sequence[Job]

Work = Callable[[Stack, Callable[[Message], None]], None]
"""Trains a stack and says how it goes; a function of a module, so that it can be pickled.

Started again with the same stack, it goes on where it was stopped.
"""

Hear = Callable[[int, Message], None]
"""Is told what was said of a stack, by its place."""

GRACE = 60.0
"""Seconds that workers have to save what they are at, when a sweep is interrupted."""


class Executor(Protocol):
    """Trains stacks. A context: what it started ends with it.

    Attributes:
        workers: stacks that are trained at the same time.
    """

    workers: int

    def run(self, work: Work, stacks: Sequence[Stack], hear: Hear) -> list[str | None]:
        """Train all stacks.

        A stack whose worker was lost is started again, so often as the settings say. When this is
        interrupted, the workers are asked to stop between two steps, and waited for.

        Returns:
            For each stack why it was lost, in a line; none of those that came to their end.
        """
        ...

    def __enter__(self) -> Self:
        """Begin to start what takes a while."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        ...


def lost(why: str, attempts: int) -> str:
    """Why a stack was given up."""
    times = "" if attempts == 1 else f", {attempts} times"
    return f"{why}{times}"
