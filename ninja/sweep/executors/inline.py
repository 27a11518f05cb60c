"""In this process, one stack after another."""

from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self

from ninja.sweep.executors.base import Hear, Stack, Work
from ninja.sweep.jobs import Message


class Inline:
    """Starts nothing. What ends the process ends the sweep."""

    workers = 1

    def run(self, work: Work, stacks: Sequence[Stack], hear: Hear) -> list[str | None]:
        """See `Executor.run`; nothing can be lost here but all."""
        stopped: list[Message] = []

        def tell(place: int, message: Message) -> None:
            hear(place, message)
            if message.get("status") == "stopped":
                stopped.append(message)

        for place, stack in enumerate(stacks):
            work(stack, partial(tell, place))
            if stopped:  # a signal is meant for the whole sweep
                raise KeyboardInterrupt
        return [None] * len(stacks)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is left to end."""
