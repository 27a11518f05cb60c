"""Files that are whole or not there, whatever kills the process or the machine."""

import os
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Replace a file: after a crash it holds the old content or the new, never a part.

    The file is synchronised before the rename, and the folder after it.
    """
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
