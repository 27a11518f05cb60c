"""One module a command: its options, what it runs, how it prints. Torch is imported on running."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

LARGEST = 4096


def add_runs(parser: argparse.ArgumentParser, help_: str) -> None:
    """Declare the folder whose runs a command is about, `path`."""
    parser.add_argument(
        "path", nargs="?", type=Path, default=Path("outputs"), metavar="PATH", help=help_
    )


def positive(text: str) -> int:
    """An option's value: a whole number, from 1 to what fits into memory."""
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {LARGEST}")
    return int(text)


def console() -> "Console":
    """Plain text with tables. A reader that leaves is left to `cli.main`, and not made exit 1."""
    from rich.console import Console

    class Patient(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Patient(highlight=False)
