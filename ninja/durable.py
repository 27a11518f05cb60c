"""Files that are whole or not there, whatever kills the process or the machine."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

CURRENT, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"
"""A run's checkpoint, and the one before, should the first be damaged. Named here, where whoever
looks for a run need not load torch."""


def write(path: Path, content: bytes | memoryview) -> None:
    """Replace a file: after a crash it holds the old content or the new, never a part.

    The file is synchronised before the rename, and the folder after it.

    Raises:
        OSError: it cannot be written; the file's name is in it.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()  # on a full disk it would take the room that is missing
        raise OSError(error.errno, error.strerror, str(path)) from None
    sync_folder(path.parent)


def read(path: Path) -> bytes:
    """A file's content.

    Raises:
        OSError: it cannot be read, or is none: a pipe would never end.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a folder says so itself
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return path.read_bytes()


def sync_folder(folder: Path) -> None:
    """Make renames in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
