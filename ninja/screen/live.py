"""A run as it is seen in a terminal: how far it is, how it does, and its layers."""

import time
from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ninja.config import ProbeConfig, RunConfig
from ninja.parts import Part, parts
from ninja.screen.layers import OUTSIDE, layers_table
from ninja.screen.losses import shown_loss

SECOND = 4
"""Drawings a second, at most."""

READ = 1.0
"""Seconds between two readings of the layers: the table takes most of a drawing's time, and nobody
reads numbers that change faster."""

LOSSES = 20
"""Rows in the mean of the loss."""

QUIET = 1.0
"""Seconds without a row after which steps are reckoned."""

WINDOW = 10.0
"""Seconds over which the rate is measured."""


class View:
    """What was told last, drawn over what was drawn before. Warnings stand above it and stay."""

    def __init__(self, config: RunConfig, console: Console) -> None:
        self.config, self.console = config, console
        self.row: dict[str, Any] = {}
        self.parts: list[Part] = []
        self.gap: float | None = None
        self.validation: float | None = None
        self.losses: deque[float] = deque(maxlen=LOSSES)
        self.told: deque[tuple[float, int]] = deque()
        self.drawn: tuple[tuple[int, int], list[list[Segment]]] | None = None
        self.measured = self.read = float("-inf")
        self.begun = time.monotonic()
        self.live = Live(
            self,
            console=console,
            refresh_per_second=SECOND,
            transient=True,
            vertical_overflow="crop",
        )

    def __enter__(self) -> "View":
        """Begin to draw."""
        self.live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the drawing away, and give the cursor back."""
        self.live.stop()

    def warn(self, line: str) -> None:
        """Print a line above the drawing."""
        self.console.print(Text(f"warning: {line}", "yellow"), soft_wrap=True)

    def say(self, line: str) -> None:
        """The same, of what is no fault."""
        self.console.print(Text(line), soft_wrap=True)

    def tell(self, row: dict[str, Any]) -> None:
        """Note a row. Its layers are read only when they are drawn."""
        now = time.monotonic()
        self.row = row
        self.losses.append(row["loss"])
        self.gap = row.get("gap", self.gap)
        self.validation = row.get("val_loss", self.validation)
        if now - self.measured >= 1 / SECOND:
            self.measured = now
            self.told.append((now, row["step"]))
            while now - self.told[0][0] > WINDOW and len(self.told) > 2:
                self.told.popleft()
        if now - self.read >= READ and "grad_norm" in row:
            self.read = now
            eased = row["lr"] < self.config.optimizer.lr
            self.parts, self.drawn = parts(row.get("layers", ()), eased=eased), None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Never more than the terminal has room for."""
        head = list(self._head(options.max_width))
        yield from head
        room = console.size.height - len(head) - 3  # one above, one between, one for the cursor
        size = (options.max_width, room)
        if self.drawn is None or self.drawn[0] != size:
            table = layers_table(self.parts, *size)
            lines = console.render_lines(table, options, pad=False) if table else []
            self.drawn = size, lines
        for line in [[], *self.drawn[1]] if self.drawn[1] else []:
            yield from line
            yield Segment.line()

    def _head(self, width: int) -> Iterator[RenderableType]:
        rate, step = self._rate(), self.row.get("step")
        total = self.config.steps
        if step is None or rate is None:
            passed = f"{time.monotonic() - self.begun:.0f} s"
            yield _bar(0, total, Text(f"{step or 0:,}/{total:,} steps  {passed}"), width)
        else:
            made, about = self._made(step + 1, rate)
            words = Text.assemble(
                (f"{about}{made:,}", "bold"),
                f"/{total:,} steps  {_speed(rate)}  {_duration((total - made) / rate)} left",
            )
            yield _bar(made, total, words, width)
        if self.row:
            yield self._numbers(width)

    def _rate(self) -> float | None:
        """Steps a second, of late; none after the first step, which also paid for the start."""
        if not self.told or self.told[-1][1] == 0:
            return None
        (began, first), (ended, last) = self.told[0], self.told[-1]
        return (last - first) / (ended - began) if last > first else 1e6 / self.row["train_us"]

    def _made(self, known: int, rate: float) -> tuple[int, str]:
        """Steps made, and "~" if that is reckoned: by the rate, and up to the next row to come."""
        (at, step), now = self.told[-1], time.monotonic()
        reckoned = step + 1 + int((now - at) * rate) if now - at > QUIET else known
        made = min(reckoned, next_row(self.config.probe, known - 1, self.config.steps))
        return (made, "~") if made > known else (known, "")

    def _numbers(self, width: int) -> Text:
        mean = sum(self.losses) / len(self.losses)
        pieces = [
            f"loss {shown_loss(self.row['loss'])}",
            f"mean {shown_loss(mean)}",
            f"lr {self.row['lr']:g}",
        ]
        if self.gap is not None:
            pieces.append(f"gap {self.gap:.1e}")
        if "grad_norm" in self.row:
            pieces.append(f"grad {self.row['grad_norm']:.1e}")
        if self.validation is not None:
            pieces.append(f"validation {shown_loss(self.validation)}")
        while len("  ".join(pieces)) > width and len(pieces) > 1:
            pieces.pop()
        return Text("  ").join(_named(piece) for piece in pieces)


def next_row(probe: ProbeConfig, step: int, steps: int) -> int:
    """The first step after this one that has a row, or the number of steps if none has."""
    every = [n for n in (probe.every, probe.gap_every, probe.val_every) if n > 0]
    later = [early for early in probe.early if early > step]
    return min([*later, *((step // n + 1) * n for n in every), steps])


def _named(piece: str) -> Text:
    name, _, value = piece.partition(" ")
    bad = value in ("nan", "inf", "-inf")
    return Text.assemble((f"{name} ", "dim"), (value, OUTSIDE if bad else "bold"))


def _bar(made: int, total: int, words: Text, width: int) -> RenderableType:
    """A bar as wide as the words beside it leave it; none where they leave too little."""
    room = min(width - len(words.plain) - 2, 40)
    if room < 8:
        words.truncate(width, overflow="ellipsis")
        return words
    line = Table.grid(padding=(0, 2, 0, 0))
    bar = ProgressBar(total, made, room, complete_style="cyan", finished_style="cyan")
    line.add_row(bar, words)
    return line


def _speed(rate: float) -> str:
    return f"{rate:,.0f} steps/s" if rate >= 10 else f"{rate:.2g} steps/s"


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
