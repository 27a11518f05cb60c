"""Room, and folders that must be writable: tried, and left as they were."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ninja import durable
from ninja.doctor.check import Check
from ninja.lock import Lock

ROOM = 256 << 20  # bytes; a sweep of a hundred runs leaves less
FILES = 4096  # a hundred runs leave fewer
TRIED = 1 << 16  # bytes


def disk(folder: Path) -> Check:
    """The room where results go: bytes, and files."""
    place = _existing(folder)
    try:
        bytes_free = shutil.disk_usage(place).free
        system = os.statvfs(place)
    except OSError as error:
        return Check("disk", "mend", f"{str(place)!r}: {error.strerror}", _ELSEWHERE)
    said = f"{bytes_free / 2**30:.1f} GiB free in {str(place)!r}"
    if bytes_free < ROOM:
        said = f"{bytes_free / 2**20:.0f} MiB free in {str(place)!r}"
        return Check("disk", "mend", said, f"free some room, or {_ELSEWHERE}")
    if system.f_files and system.f_favail < FILES:  # some file systems count none
        said += f", but room for {system.f_favail} files only"
        return Check("disk", "mend", said, f"remove some files, or {_ELSEWHERE}")
    return Check("disk", "ok", said)


def folders(output: Path) -> Iterator[Check]:
    """Where results, what is temporary, and what W&B keeps to itself are written."""
    yield writable("results", output, _ELSEWHERE)
    try:
        temporary = tempfile.gettempdir()
    except OSError as error:  # it has tried all that it knows
        yield Check("temporary", "mend", str(error.strerror), _TEMPORARY)
        return
    yield writable("temporary", Path(temporary), _TEMPORARY)


def writable(name: str, folder: Path, advice: str) -> Check:
    """Do there what a run does: a file that is durable, renamed and locked; then remove it.

    Args:
        name: of the check.
        folder: that will be made, if it is not there.
        advice: what to do when it cannot be written.
    """
    place = _existing(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=place) as tried:
            durable.write(Path(tried) / "file", bytes(TRIED))
            lock = Lock(Path(tried) / "lock")
            lock.take()
            lock.release()
    except OSError as error:
        return Check(name, "mend", f"{str(folder)!r} cannot be written: {error.strerror}", advice)
    return Check(name, "ok", f"{str(folder)!r} can be written")


def _existing(folder: Path) -> Path:
    """Itself, or the nearest folder above it that is there."""
    place = folder.absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    return place


_ELSEWHERE = "choose another folder with output=…"
_TEMPORARY = "name another folder in the variable TMPDIR"
