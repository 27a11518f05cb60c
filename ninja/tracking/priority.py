"""Letting training go first where cores are few, in a way that can be taken back.

A process may raise its niceness and never lower it again, so that what is left to do when training
has ended would starve on a busy machine, and a server would be blamed for it. Linux shares the
cores out between sessions first, and the niceness of a session (``autogroup``) goes both ways.
Where there is none, nothing is let go.
"""

import errno
import threading
import time
from pathlib import Path

NICE = 5
"""Of the sessions, while runs are trained: a third of a share. W&B's time-outs run meanwhile, and
with a fiftieth, which 19 leaves, a busy machine would be taken for a silent server."""

TRIES, SECONDS = 10, 0.03  # Linux takes one change in a tenth of a second


class Priority:
    """What the sessions of some processes let go, for as long as there is something to train."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: list[int] = []
        self._training = True

    def let_go(self, leader: int) -> None:
        """Let training go before this session, which is named by its first process."""
        with self._lock:
            if self._training:
                self._sessions.append(leader)
                _renice(leader, NICE)

    def take_back(self) -> None:
        """Nothing is trained any more: from here on, let nothing go."""
        with self._lock:
            self._training = False
            for leader in self._sessions:
                _renice(leader, 0)


def _renice(leader: int, nice: int) -> None:
    path = Path(f"/proc/{leader}/autogroup")
    for _ in range(TRIES):
        try:
            path.write_text(str(nice))
        except OSError as error:  # no autogroups here, or not ours to change: nothing is let go
            if error.errno != errno.EAGAIN:
                return
            time.sleep(SECONDS)
        else:
            return
