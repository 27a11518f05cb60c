"""On a Dask cluster: one of our own on this machine, or an existing one by its address.

An existing one needs this package on its workers, the folder of the outputs under the same path,
and one thread a worker (``dask worker … --nthreads 1``), for which bit-identity is promised. How
often it starts a stack again is its scheduler's setting, ``allowed-failures``, and not ours.
"""

import asyncio
import contextlib
import queue
import signal
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

from ninja.errors import ConfigError
from ninja.server import start_server
from ninja.sweep.executors.base import GRACE, Attempts, Hear, Stack, Work
from ninja.sweep.executors.local import PRELOAD
from ninja.sweep.executors.remote import missing, said, train
from ninja.sweep.jobs import Message

SECONDS = 10
"""Until a scheduler that does not answer is called unreachable."""

AGAIN = 0.5
"""Seconds between two looks for a worker that is free."""

Heard = tuple[int, str, Message | Literal["begun", "over"]]
"""Of which stack, by whose address, and what."""


class Dask:
    """A client of a scheduler.

    Attributes:
        workers: of the cluster, or as many as are wanted of it.
    """

    def __init__(self, workers: int | None, retries: int, address: str | None) -> None:
        """Connect, or start a cluster of single-threaded processes.

        Raises:
            ConfigError: Dask is not installed, or the scheduler cannot be reached.
        """
        try:
            import distributed
            from dask import config
        except ImportError:
            raise missing("dask") from None
        self._cluster: Any = None
        self._retries = 0
        if address is None:
            self._retries = retries
            config.set({"distributed.scheduler.allowed-failures": 0})  # they are counted here
            config.set({"distributed.worker.multiprocessing-method": "forkserver"})  # see `Local`
            start_server(
                [*PRELOAD, "distributed.nanny"]
            )  # before Dask starts one that loads other things
            self._cluster = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50
            )
        try:
            if address is not None:
                with ThreadPoolExecutor(1) as aside:  # a notebook's own thread has a loop that runs
                    aside.submit(asyncio.run, _reach(address)).result()
            self._client: Any = distributed.Client(self._cluster or address, timeout=SECONDS)
        except Exception as error:  # whatever comes of talking to something that is no scheduler
            raise ConfigError(
                f"hydra.launcher.address: no Dask scheduler at {address!r} ({said(error)}): give "
                "one that runs, such as tcp://host:8786, or null for a cluster on this machine"
            ) from None
        if self._cluster is not None:
            self._client.register_plugin(_deaf())
        there = len(self._client.scheduler_info(n_workers=-1)["workers"])
        self.workers = workers or max(there, 1)

    def run(self, work: Work, stacks: Sequence[Stack], hear: Hear) -> list[str | None]:
        """See `Executor.run`."""
        run = _Run(self._client, work, stacks, hear, Attempts(len(stacks), self._retries, hear))
        self._client.subscribe_topic(run.name, run.hears)
        try:
            while run.attempts.waiting or run.futures:
                # no more than are trained: Dask blames a worker's death on all that it was given
                while run.attempts.waiting and len(run.futures) < self._room():
                    run.submit()
                with contextlib.suppress(queue.Empty):
                    run.listen(AGAIN if run.attempts.waiting else None)
        except KeyboardInterrupt:
            run.stop()
            raise
        finally:
            self._client.cancel(list(run.futures.values()))
            self._client.unsubscribe_topic(run.name)
        return run.attempts.why

    def _room(self) -> int:
        """For how many stacks there are workers; in an existing cluster, whether they come or not.

        One of our own that was lost is replaced after a while. A Dask that has seen it die as it
        began has to be asked for that.
        """
        if self._cluster is None:
            return self.workers
        there = len(self._client.nthreads())
        if there < self.workers:
            self._cluster.scale(self.workers)
        return min(self.workers, there)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the cluster; end it if it is ours."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


@dataclass
class _Run:
    """Stacks that are trained.

    Attributes:
        client: of the scheduler.
        work: to be done.
        stacks: with which jobs.
        hear: is told.
        attempts: of each stack.
        name: of this run alone.
        heard: what was not passed on yet.
        futures: of those that were submitted, by their places.
        at: which worker each was begun by last.
    """

    client: Any
    work: Work
    stacks: Sequence[Stack]
    hear: Hear
    attempts: Attempts
    name: str = field(default_factory=lambda: f"ninja-{uuid.uuid4().hex}")
    heard: "queue.Queue[Heard]" = field(default_factory=lambda: queue.Queue[Heard]())
    futures: dict[int, Any] = field(default_factory=dict[int, Any])
    at: dict[int, str] = field(default_factory=dict[int, str])

    def submit(self) -> None:
        """The next one."""
        place = self.attempts.begin()
        self.at.pop(place, None)
        key = f"{self.name}-{place}-{self.attempts.count[place]}"
        args = (self.name, place, self.work, self.stacks[place])
        future = self.client.submit(_train, *args, key=key, pure=False)
        self.futures[place] = future
        future.add_done_callback(partial(self._done, place))

    def hears(self, event: tuple[float, Heard]) -> None:
        """What a worker says, in Dask's own thread."""
        self.heard.put(event[1])

    def _done(self, place: int, _: Any) -> None:
        self.heard.put((place, "", "over"))

    def listen(self, seconds: float | None = None) -> None:
        """Wait for one word, and pass it on.

        Raises:
            queue.Empty: there was none in so many seconds.
        """
        place, worker, message = self.heard.get(timeout=seconds)
        if message == "over":
            self._ended(place)
        elif message == "begun":
            if place in self.at:  # an existing cluster's scheduler has started it again
                self.hear(place, {"do": "lost", "line": _gone(self.at[place])})
            self.at[place] = worker
        else:
            self.hear(place, message)

    def _ended(self, place: int) -> None:
        """Hear a stack's last words, or let it wait for another start."""
        from distributed import KilledWorker

        try:
            for last in self.futures.pop(place).result():
                self.hear(place, last)
        except KilledWorker as error:
            gone = _gone(error.last_worker.address)
            self.attempts.lost(place, gone, error.allowed_failures)
        except Exception as error:  # whatever the work has raised
            self.attempts.why[place] = said(error)

    def stop(self) -> None:
        """Ask all to stop, and hear their last words."""
        _stop(self.name).set()
        until = time.monotonic() + GRACE
        with contextlib.suppress(queue.Empty):
            while self.futures:
                self.listen(max(0.0, until - time.monotonic()))


async def _reach(address: str) -> None:
    """A client waits for ever where somebody else listens, and says nothing.

    Raises:
        Exception: there is no scheduler.
    """
    from distributed import Security
    from distributed.comm.core import connect

    options: dict[str, Any] = Security().get_connection_args("client")
    connecting = connect(address, timeout=SECONDS, **options)
    comm = await asyncio.wait_for(connecting, SECONDS + 1)
    await comm.close()


def _gone(address: str) -> str:
    return f"Dask's worker {address} is gone"


def _stop(name: str) -> Any:
    """Is set when the sweep is interrupted."""
    from distributed import Event

    return Event(f"{name}-stop")


def _deaf() -> Any:
    """For workers at our terminal: a Ctrl-C is for the sweep, which passes it on."""
    from distributed import WorkerPlugin

    class Deaf(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Deaf()


def _train(name: str, place: int, work: Work, stack: Stack) -> list[Message]:
    """The worker's side."""
    from distributed import get_client, get_worker

    worker, stop = get_worker(), _stop(name)
    key = worker.get_current_task()

    def wanted() -> bool:
        """Whether there is still a sweep, and it was not interrupted."""
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing" and not stop.is_set()

    def live(message: Message) -> None:
        worker.log_event(name, (place, worker.address, message))
        if message["do"] == "made" and not wanted():
            raise KeyboardInterrupt  # between two steps; it is saved

    # waits until the scheduler has it; a killed worker takes the last that was only logged with it
    get_client().log_event(name, (place, worker.address, "begun"))
    return train(work, stack, live)
