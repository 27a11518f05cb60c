"""What every executor does: it has stacks trained somewhere, and passes on what is said of them."""

from collections import deque
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


class Attempts:
    """Which stacks are still to be started, how often each was, and why one was given up.

    Attributes:
        waiting: places of stacks.
        count: of starts, by place.
        why: it was lost, by place; none as long as it was not.
    """

    def __init__(self, stacks: int, retries: int, hear: Hear) -> None:
        """Args: ``hear`` is told of a lost worker."""
        self.waiting = deque(range(stacks))
        self.count = [0] * stacks
        self.why: list[str | None] = [None] * stacks
        self._retries, self._hear = retries, hear

    def begin(self) -> int:
        """The place of the next one, which is started now."""
        place = self.waiting.popleft()
        self.count[place] += 1
        return place

    def lost(self, place: int, fault: str, more: int = 0) -> None:
        """Its worker is: it waits again, or is given up.

        Args:
            place: of the stack.
            fault: in a line.
            more: starts that were somebody else's.
        """
        if self.count[place] <= self._retries:
            self._hear(place, {"do": "lost", "line": fault})
            self.waiting.appendleft(place)
            return
        starts = self.count[place] + more
        self.why[place] = fault if starts == 1 else f"{fault}, {starts} times"
