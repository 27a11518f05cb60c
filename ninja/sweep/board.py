"""A sweep as it is seen: a bar in a terminal, lines elsewhere, and the same lines in a log."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ninja.sweep.jobs import Message
from ninja.sweep.progress import Progress

SECONDS = 5.0
"""Between two lines where there is no terminal, and in the log."""


class Board:
    """Shows a `Progress`, and keeps the lines that pass.

    A log that cannot be written is told of once, and stops nothing.
    """

    def __init__(
        self,
        progress: Progress,
        log: Path | None,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: ``log`` is appended to, if there is one; ``clock`` is in seconds."""
        self.progress, self.log, self.console, self.clock = progress, log, console, clock
        self.said = self.begun = clock()
        self.deaf = False
        live = console.is_interactive and sys.stdout.isatty()
        self.live = (
            Live(self, console=console, refresh_per_second=4, transient=True) if live else None
        )

    def __enter__(self) -> "Board":
        """Begin."""
        if self.live is not None:
            self.live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the drawing away; the last word goes into the log."""
        if self.live is not None:
            self.live.stop()
        self._log(self.line())

    def hear(self, stack: int, message: Message) -> None:
        """What a worker says."""
        now = self.clock()
        self.progress.hear(stack, message, now)
        if message["do"] == "warn":
            self.warn(f"job {message.get('job')}: {message.get('line')}")
        if message["do"] == "lost":
            self.warn(f"{message.get('line')}: its stack is started again")
        if message.get("status") in ("failed", "diverged"):
            self.say(f"job {message.get('job')} {message.get('status')}: {message.get('why')}")
        if now - self.said >= SECONDS:
            self.said = now
            self._log(self.line())
            if self.live is None:
                print(self.line(), flush=True)

    def say(self, line: str) -> None:
        """A line that stays."""
        self._log(line)
        if self.live is not None:
            self.console.print(Text(line), soft_wrap=True)
        else:
            print(line, flush=True)

    def warn(self, line: str) -> None:
        """One of a fault."""
        self.say(f"warning: {line}")

    def line(self) -> str:
        """All of it in a line."""
        left = self.progress.seconds_left()
        parts = [self._counts(), f"{self.progress.rate():,.0f} model-steps/s"]
        if left is not None:
            parts.append(f"{timedelta(seconds=round(left))} left")
        return "  ".join(parts)

    def _counts(self) -> str:
        progress = self.progress
        done = progress.count("done") + progress.finished
        parts = [f"{done:,}/{progress.total:,} runs done"]
        for state in ("running", "failed", "diverged"):
            if progress.count(state):
                parts.append(f"{progress.count(state):,} {state}")
        return ", ".join(parts)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The bar of model-steps, and the line beside it."""
        progress = self.progress
        words = Text(self.line())
        room = min(options.max_width - len(words.plain) - 2, 40)
        if room < 8:
            words.truncate(options.max_width, overflow="ellipsis")
            yield words
            return
        whole = sum(progress.steps.values()) or 1
        bar = Table.grid(padding=(0, 2, 0, 0))
        made = whole - progress.left()
        bar.add_row(
            ProgressBar(whole, made, room, complete_style="cyan", finished_style="cyan"), words
        )
        yield bar

    def _log(self, line: str) -> None:
        if self.deaf or self.log is None:
            return
        try:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}\n")
        except OSError as error:
            self.deaf = True
            self.warn(f"{str(self.log)!r}: {error.strerror}: no log from here on")
