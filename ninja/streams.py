"""Standard streams that end no run when nobody takes what is printed."""

import errno
import io
import os
import random
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

FILE_WIDTH = 120
"""Characters of a line where there is no terminal: a file has no width, and a table needs one."""


def width() -> int | None:
    """Of what is printed; none for the terminal's own."""
    there = sys.stdout is not None  # pyright: ignore[reportUnnecessaryComparison] (python >&-)
    return None if there and sys.stdout.isatty() else FILE_WIDTH


@contextmanager
def console() -> "Generator[Console]":
    """rich's, for what is printed beside somebody's training.

    Python's own generator comes out as it went in, which the import of rich draws from. What the
    encoding of the stream does not hold is printed as "?".
    """
    state, stream = random.getstate(), sys.stdout
    errors = stream.errors if isinstance(stream, io.TextIOWrapper) else None
    try:
        from rich.console import Console

        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
        yield Console(highlight=False, markup=False, width=width())
    finally:
        random.setstate(state)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def printable(text: str) -> str:
    """In one line, whatever a name or a message holds: what cannot be printed is escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class _Outliving(io.FileIO):
    """What is printed, for as long as anybody takes it.

    A reader that has seen enough (``| head -1``), a closed terminal and a full disk under a log
    end no run: its record lies in its folder, whole, and its exit code says how it ended.
    """

    lost = False

    def write(self, data: Any, /) -> int:
        """As a file's; what cannot be written is dropped, and told once where that is news."""
        try:
            return super().write(data)
        except OSError as error:
            if not self.lost and error.errno != errno.EPIPE and self.fileno() != 2:
                said = f"the output cannot be written ({error.strerror}); going on without"
                print(f"ninja: {said}", file=sys.stderr)
            self.lost = True
            return memoryview(data).nbytes


def outliving(stream: TextIO | None, descriptor: int) -> TextIO:
    """A standard stream that cannot fail; one that is closed (``>&-``) becomes one to nowhere."""
    if stream is None:
        return Path(os.devnull).open("w")
    if not isinstance(stream, io.TextIOWrapper) or stream.fileno() != descriptor:
        return stream
    raw = _Outliving(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        stream.encoding,
        "replace",  # a C locale cannot write "µ"; that is no fault
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
