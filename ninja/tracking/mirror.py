"""``python -m ninja.tracking.mirror``: the process that reads records and tells W&B.

`ninja.tracking.client` starts it, once a command. JSON lines come in: ``follow`` a folder, a run
has ``ended``, ``close``. JSON lines go out: ``failed`` and ``refused``, what the user is told;
``handed`` a folder whose rows W&B has all; ``busy`` one that another process sees to; ``loaded``,
``alive``; ``closed`` or ``died`` at the end. When the input ends without ``close`` the trainer was
killed, and this process goes with it at once, as it does when the input ends after ``close`` but
before all is done: what W&B has not got is in the record.
"""

import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from ninja import records, result
from ninja.errors import RecordError
from ninja.lock import Lock
from ninja.tracking import identity
from ninja.tracking.account import said
from ninja.tracking.priority import Priority
from ninja.tracking.server import RefusedError, Server, ServerError
from ninja.tracking.session import INTERRUPTED, Heard, Session, end_service, exit_at_once, load

SECONDS = 1.0  # between two looks at the records
SHARE = 0.02  # of the time, at most, goes into reading records again and again
LIVE = 4
"""Runs whose local files grow while they are trained. Where there are more, in a sweep, each is
written when it has ended: nobody watches them offline, and an open run takes memory."""

WRITING = 2.0
"""Seconds for `wandb-core` to write its files in the end, at least; it does so once a second."""

BYTES_A_SECOND = 100_000  # a slow line, which a long record is given the time for

Tell = Callable[[dict[str, Any]], None]


def slow_line(size: int) -> float:
    """Seconds to grant for the upload of a record of so many bytes."""
    return size / BYTES_A_SECOND


class _Run:
    """A run that is followed: its record as far as it was read, and its open session."""

    def __init__(self, folder: Path, mode: str, tell: Tell) -> None:
        self.folder, self.mode, self.tell = folder, mode, tell
        self.ended = mode == "sync"
        self.done = False
        self.online = False
        self._session: Session | None = None
        self._known: identity.Identity | None = None
        self._lock = Lock(folder / ".wandb.lock")
        self._size = 0

    def look(self, server: Server) -> None:
        """Tell W&B what is new in the record, and its end, when the run has ended.

        Raises:
            ServerError: W&B's server was needed, and failed.
            RefusedError: it will not have this run.
            RecordError: the record, the result or the identity is damaged.
            Exception: any other fault of this folder.
        """
        path = self.folder / records.LINES
        size = path.stat().st_size if path.exists() else 0
        if self.done or (size == self._size and not self.ended):
            return
        if not self._lock.take():  # another command mirrors it, or sends it
            if self.ended:
                self.tell({"busy": str(self.folder)})
                self.done = True
            return
        self._size = size
        rows = list(records.rows(self.folder)) if size else []
        if rows:
            session = self._session or self._open(server)
            for number, row in enumerate(rows[session.sent :]):
                session.send(row)
                if number % 100 == 0:
                    self.tell({"alive": str(self.folder)})
        if self.ended:
            self._end(server, rows)

    def _open(self, server: Server) -> Session:
        known = identity.read(self.folder)
        if known is None:
            raise RecordError(f"{str(self.folder / identity.FILE)!r}: is gone")
        identity.write(self.folder, known)  # a copied folder has a new id
        self._known = known  # whatever another command writes there from here on
        self.online = self.mode != "offline" and server.usable

        seconds = min(self._seconds(known), server.left()) if self.online else known.timeout

        def opened() -> Session:
            return Session(self.folder, known, online=self.online, seconds=seconds)

        self._session = server.ask(opened, known.timeout) if self.online else opened()
        return self._session

    def _end(self, server: Server, rows: list[dict[str, Any]]) -> None:
        session, known = self._session, self._known
        if session is not None and known is not None:
            code, found = INTERRUPTED, result.read(self.folder)
            if found is not None:
                code = 0 if found.status == "done" else 1

            def finished() -> None:
                if found is not None:
                    session.end(rows, vars(found))  # it may wait for the server too
                session.finish(code)

            server.ask(finished, self._seconds(known)) if self.online else finished()
            if found is not None:
                self._keep(replace(known, state="complete" if self.online else "offline"))
            self.tell({"handed": str(self.folder)})
        self.leave()

    def leave(self) -> None:
        """No more of it. What W&B has not got, ``wandb.json`` does not call complete."""
        self.done = True
        self._session = None
        self._lock.release()

    def _seconds(self, known: identity.Identity) -> float:
        """To wait for the server: the time-out, and in no hurry what a slow line needs."""
        return known.timeout + slow_line(self._size) if self.mode == "sync" else known.timeout

    def _keep(self, known: identity.Identity) -> None:
        """Write its state, unless another command has meanwhile made the folder another run."""
        there = identity.read(self.folder)
        if there is None or there.id == known.id:
            identity.write(self.folder, known)


class _Mirror:
    """All runs of a command."""

    def __init__(self, server: Server, address: str, tell: Tell) -> None:
        self.server, self.address, self.tell = server, address, tell
        self.runs: dict[str, _Run] = {}

    def serve(self, inbox: "queue.Queue[dict[str, Any]]") -> None:
        """Do what is asked, look at the records in between, and return on ``close``."""
        due = time.monotonic() + SECONDS
        while True:
            try:
                message = inbox.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                began = time.monotonic()
                self.look()
                now = time.monotonic()
                due = now + max(SECONDS, (now - began) / SHARE)
                continue
            folder = message.get("folder", "")
            if message["do"] == "follow":
                self.runs[folder] = _Run(Path(folder), message["mode"], self.tell)
            elif message["do"] == "ended" and folder in self.runs:
                self.runs[folder].ended = True
                self.look(folder)
            elif message["do"] == "close":
                for run in self.runs.values():
                    run.ended = True
                self.look()
                return

    def look(self, only: str | None = None) -> None:
        """At one record, or at all."""
        for folder in list(self.runs) if only is None else [only]:
            run = self.runs.get(folder)
            if run is None or (run.mode == "sync" and not self.server.usable):
                continue
            if run.mode == "offline" and not run.ended and len(self.runs) > LIVE:
                continue
            try:
                run.look(self.server)
            except ServerError as error:
                self._give_up(run, error)
            except BrokenPipeError:  # of `tell`: the trainer is gone
                raise
            except Exception as error:  # told, whatever it is: the other runs are sound
                self.tell({"refused": folder, "why": _why(folder, error)})
                run.leave()
            if run.done:
                del self.runs[folder]

    def _give_up(self, run: _Run, error: ServerError) -> None:
        """The server is not asked again: those that it has a part of stay as they are."""
        self.tell({"failed": f"W&B at {self.address} (WANDB_BASE_URL) {error}"})
        for other in [run, *self.runs.values()]:
            if other.online:
                other.leave()


def _why(folder: str, error: Exception) -> str:
    if isinstance(error, RecordError):
        return str(error)
    if isinstance(error, RefusedError):
        new = f"without its {identity.FILE} it is sent as a new run"
        return f"W&B refuses {folder!r}: {error}; {new}"
    said = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, OSError):
        said = f"{error.filename or folder!r}: {error.strerror or error}"  # or `wandb`'s own words
    return f"{folder!r}: W&B cannot be shown this run ({said})"


def main() -> None:
    """Serve, and exit: 0 after ``close``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the trainer's to answer
    priority = Priority()
    priority.let_go(os.getpid())
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing that `wandb` prints comes between the answers
    inbox: queue.Queue[dict[str, Any]] = queue.Queue()
    heard = Heard()
    server = Server(heard)
    loaded = threading.Event()

    def close(seconds: float | None) -> None:
        priority.take_back()
        loaded.wait()  # what that takes is no server's fault
        if seconds is not None:
            server.until = time.monotonic() + seconds

    threading.Thread(target=_read, args=(sys.stdin, inbox, close), daemon=True).start()

    def tell(answer: dict[str, Any]) -> None:
        out.write(json.dumps(answer) + "\n")
        out.flush()

    code = 0
    try:
        address = load(heard, priority)
        tell({"loaded": address})
        loaded.set()
        _Mirror(server, address, tell).serve(inbox)
        # more only where no server can hang
        end_service(max(WRITING, server.left()) if server.usable else WRITING)
        tell({"closed": True})
    except BrokenPipeError:  # the trainer is gone
        code = 1
    except Exception as error:  # the trainer goes on whatever happens here, and says it
        tell({"died": said(error)})
        code = 1
    exit_at_once(code)


def _read(
    source: IO[str], inbox: "queue.Queue[dict[str, Any]]", close: Callable[[float | None], None]
) -> None:
    """Never let the trainer wait for a full pipe, and notice when it is gone."""
    for line in source:
        message = json.loads(line)
        if message["do"] == "close":
            close(message["seconds"])
        inbox.put(message)
    exit_at_once(1)


if __name__ == "__main__":
    main()
