"""Whether W&B's server is asked, and for how long: once it has failed, never again."""

import errno
import re
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ninja.tracking.session import Heard

T = TypeVar("T")

GRACE = 1.0  # seconds: `wandb` gives up by itself at its time-out, and says why

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_SILENT = "did not answer within {:g} s (wandb.timeout)"


class ServerError(Exception):
    """The server cannot be used; the message says what it did."""


class RefusedError(Exception):
    """The server works, and will not have this one run; the message says why."""


class Server:
    """Calls that must not outlast a time-out.

    Attributes:
        usable: it has not failed yet.
        until: no call goes on after this time (of `time.monotonic`), but for `GRACE`.
    """

    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self.usable = True
        self.until = float("inf")

    def left(self) -> float:
        """Seconds until then."""
        return max(0.1, self.until - time.monotonic())

    def ask(self, call: Callable[[], T], seconds: float) -> T:
        """The answer of ``call``, which runs in a thread that is left behind if it hangs.

        `wandb` has time-outs of its own, but not on everything that waits for the network.

        Raises:
            ServerError: it failed, or took longer. The server is not usable from here on.
            RefusedError: it answered that it will not have this run.
            OSError: a file of this machine's is at fault, and no server.
        """
        answers: list[Any] = []
        faults: list[Exception] = []
        thread = threading.Thread(target=_call, args=(call, answers, faults), daemon=True)
        thread.start()
        deadline = time.monotonic() + seconds + GRACE
        while thread.is_alive() and time.monotonic() < min(deadline, self.until + GRACE):
            thread.join(0.05)
        if answers and not self.heard.lost:
            return answers[0]
        said = _SILENT.format(seconds)
        if faults:
            if isinstance(faults[0], OSError) and _is_local(faults[0]):
                raise faults[0]
            said = _said(faults[0], seconds)
            if re.search(r"error (409|410)\b", said):
                raise RefusedError(said)
        elif self.heard.lost:
            said = "did not take all of it: an upload failed for good"
        self.usable = False
        raise ServerError(said)


def _call(call: Callable[[], T], answers: list[T], faults: list[Exception]) -> None:
    try:
        answers.append(call())
    except Exception as error:  # told by `ask`, whatever it is
        faults.append(error)


def _is_local(error: OSError) -> bool:
    """Faults of the network name no file."""
    return error.filename is not None or error.errno in _FULL


def _said(error: Exception, seconds: float) -> str:
    """What a user can do something about, in one line."""
    said = " ".join(str(error).split()) or type(error).__name__
    if "No API key" in said:
        return "needs an API key: set WANDB_API_KEY, or run `wandb login`"
    if "API key must" in said or "API key may" in said:
        return f"cannot take the API key: {said}"
    if "error 401" in said:
        return "refuses the API key (401): is WANDB_API_KEY one of this server?"
    if status := re.search(r"HTTP 5\d\d", said):
        return f"fails ({status[0]})"
    if "connection refused" in said or "no such host" in said:
        return (
            f"cannot be reached ({'connection refused' if 'refused' in said else 'no such host'})"
        )
    if isinstance(error, TimeoutError) or "deadline exceeded" in said:
        return _SILENT.format(seconds)
    return f"failed: {said}"
