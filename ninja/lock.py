"""Locks on files, which go with the process that holds them, however it ends."""

import fcntl
from pathlib import Path
from typing import IO


class Lock:
    """One process a file."""

    def __init__(self, path: Path) -> None:
        """Of this file, which is made when the lock is taken."""
        self.path = path
        self._file: IO[bytes] | None = None

    def take(self) -> bool:
        """Hold it; false if another process does."""
        if self._file is not None:
            return True
        file = self.path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Let go, if it is held."""
        if self._file is not None:
            self._file.close()
        self._file = None


def held(path: Path) -> bool:
    """Whether some process holds the lock of this file."""
    if not path.exists():
        return False
    lock = Lock(path)
    free = lock.take()
    lock.release()
    return not free
