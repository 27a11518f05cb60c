"""In processes of this machine, one for each stack, so that a crash costs one stack.

They are forked from a server that has loaded torch already, which takes 20 ms and not two seconds.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.context import ForkServerProcess
from types import TracebackType
from typing import Any, Self

from ninja.server import start_server
from ninja.sweep.executors.base import GRACE, Attempts, Hear, Stack, Work
from ninja.sweep.jobs import Message

PRELOAD = ("__main__", "ninja.sweep.work", "pyarrow.parquet", "ninja.arrow")
"""What every worker needs: torch comes with it. The main module would else be read by each."""


Pipe = Any
"""A ``multiprocessing`` connection, whose type has another name on every system."""


@dataclass
class _Worker:
    """A process at work.

    Attributes:
        place: of its stack.
        process: that trains it.
        said: what it says.
        alive: open as long as this process is; its end tells the worker to end, too.
        failed: the last line of what it raised.
    """

    place: int
    process: ForkServerProcess
    said: Pipe
    alive: Pipe
    failed: str = ""


class Local:
    """As many processes at the same time as there are workers."""

    def __init__(self, workers: int | None = None, retries: int = 2) -> None:
        """Args: ``workers``, none for one a core that this process may use."""
        self.workers = workers or len(os.sched_getaffinity(0))
        self.retries = retries
        self._context = get_context("forkserver")

    def __enter__(self) -> Self:
        """Start the server, which loads torch while the caller composes."""
        start_server(PRELOAD)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The server ends with this process; its children have ended with their stacks."""

    def run(self, work: Work, stacks: Sequence[Stack], hear: Hear) -> list[str | None]:
        """See `Executor.run`."""
        attempts = Attempts(len(stacks), self.retries, hear)
        busy: list[_Worker] = []
        try:
            while attempts.waiting or busy:
                while attempts.waiting and len(busy) < self.workers:
                    place = attempts.begin()
                    busy.append(self._start(work, place, stacks[place]))
                connection.wait([one.said for one in busy])
                for worker in [one for one in busy if not self._listen(one, hear)]:
                    busy.remove(worker)
                    fault = self._end(worker)
                    if worker.failed:
                        attempts.why[worker.place] = worker.failed
                    elif fault is not None:
                        attempts.lost(worker.place, fault)
        except KeyboardInterrupt:
            self._stop(busy, hear)
            raise
        finally:
            for worker in busy:
                worker.process.kill()
                self._end(worker)
        return attempts.why

    def _start(self, work: Work, place: int, stack: Stack) -> _Worker:
        said, saying = self._context.Pipe(duplex=False)
        living, alive = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_train, args=(work, stack, saying, living))
        process.start()
        saying.close()
        living.close()
        return _Worker(place, process, said, alive)

    def _listen(self, worker: _Worker, hear: Hear) -> bool:
        """Pass on what there is; false when no more will come."""
        try:
            while worker.said.poll():
                message = worker.said.recv()
                if "failed" in message:
                    worker.failed = message["failed"]
                else:
                    hear(worker.place, message)
        except (EOFError, OSError):  # it is gone, perhaps in the middle of a word
            return False
        return True

    def _end(self, worker: _Worker) -> str | None:
        """Wait for its end, which has come; why, if it was none of its own."""
        worker.process.join()
        code = worker.process.exitcode
        for pipe in (worker.said, worker.alive):
            pipe.close()
        worker.process.close()
        return f"its process was ended by {_name(code)}" if code else None

    def _stop(self, busy: list[_Worker], hear: Hear) -> None:
        """Ask all to stop, and hear their last words."""
        for worker in busy:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.process.pid or 0, signal.SIGTERM)
        until = time.monotonic() + GRACE
        while busy and time.monotonic() < until:
            connection.wait([one.said for one in busy], timeout=until - time.monotonic())
            for worker in [one for one in busy if not self._listen(one, hear)]:
                busy.remove(worker)
                self._end(worker)


def _name(code: int) -> str:
    """Of the signal, or the exit code."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _train(work: Work, stack: Stack, saying: Pipe, living: Pipe) -> None:
    """The worker's side."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the sweep, which passes it on
    threading.Thread(target=_watch, args=(living,), daemon=True).start()
    lock = threading.Lock()

    def tell(message: Message | dict[str, Any]) -> None:
        with lock:
            saying.send(message)

    try:
        work(stack, tell)
    except BaseException as error:
        tell({"failed": f"{type(error).__name__}: {' '.join(str(error).split())}"})
        raise


def _watch(living: Pipe) -> None:
    """End with the sweep, however that ends: another one may be about to take this stack."""
    with contextlib.suppress(EOFError, OSError):
        living.recv()
    os._exit(1)
