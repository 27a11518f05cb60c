"""A run as it is seen: while it trains, and how it ended."""

import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ninja import streams
from ninja.config import RunConfig
from ninja.fit import fit
from ninja.loop import Interrupted, Tell
from ninja.result import RESULT
from ninja.screen.lines import Lines

if TYPE_CHECKING:
    from rich.console import Console

Say = Callable[[str], None]


def watch(
    config: RunConfig,
    folder: Path,
    notes: Sequence[str] = (),
    held: Callable[[int], None] = lambda _: None,
) -> int:
    """Train and show it: a live view in a terminal, a line now and then elsewhere.

    Args:
        config: of the run.
        folder: of the run.
        notes: lines for the end of the summary.
        held: is called with the steps made before, once no other process can be in this run.

    Returns:
        The exit code: 0, 1 if it diverged, 128 + the signal if stopped.
    """
    from rich.console import Console

    from ninja.screen.summary import summary

    console = Console(highlight=False, width=streams.width())
    there = (folder / RESULT).exists()
    with _shown(console, config) as (tell, warn, say):
        ended = fit(config, folder, tell, warn, say, held)
    if isinstance(ended, Interrupted):
        name = signal.Signals(ended.signal).name
        print(f"{name}: stopped before step {ended.step:,}; the same command goes on from there")
        return 128 + ended.signal
    if there:
        print("this run is done already; its result:")
    summary(console, ended, folder, notes)
    return 0 if ended.status == "done" else 1


@contextmanager
def _shown(console: "Console", config: RunConfig) -> Generator[tuple[Tell, Say, Say]]:
    """Where rows and warnings go."""
    # FORCE_COLOR makes any file a terminal for rich, but no cursor moves in a file
    if not (console.is_interactive and sys.stdout.isatty()):
        warn, say = (partial(_print, start) for start in ("warning: ", ""))
        yield Lines(config.steps).tell, warn, say
        return
    from ninja.screen.live import View

    with View(config, console) as view:
        yield view.tell, view.warn, view.say


def _print(start: str, line: str) -> None:
    print(f"{start}{line}", flush=True)
