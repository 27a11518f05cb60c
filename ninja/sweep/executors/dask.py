"""On a Dask cluster: one of our own on this machine, or an existing one by its address.

An existing one needs this package on its workers, the folder of the outputs under the same path,
and one thread a worker (``dask worker … --nthreads 1``), for which bit-identity is promised. A
worker that dies is Dask's to notice; it gives the stack to another one.
"""

import queue
import uuid
from collections import deque
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from ninja.errors import ConfigError, RunError
from ninja.sweep.executors.base import Hear, Stack, Work
from ninja.sweep.executors.remote import missing, said, train
from ninja.sweep.jobs import Message

SECONDS = 10
"""Until a scheduler that does not answer is called unreachable."""


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
        config.set({"distributed.scheduler.allowed-failures": retries})
        self._cluster: Any = None
        if address is None:
            self._cluster = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50
            )
        try:
            self._client: Any = distributed.Client(self._cluster or address, timeout=SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            raise ConfigError(
                f"hydra.launcher.address: no Dask scheduler at {address!r} ({said(error)}): give "
                "one that runs, such as tcp://host:8786, or null for a cluster on this machine"
            ) from None
        there = len(self._client.scheduler_info(n_workers=-1)["workers"])
        self.workers = workers or max(there, 1)

    def run(self, work: Work, stacks: Sequence[Stack], hear: Hear) -> list[str | None]:
        """See `Executor.run`."""
        heard: queue.Queue[tuple[int, Any]] = queue.Queue()
        name = f"ninja-{uuid.uuid4().hex}"
        self._client.subscribe_topic(name, partial(_heard, heard))
        why: list[str | None] = [None] * len(stacks)
        waiting = deque(range(len(stacks)))
        futures: dict[int, Any] = {}
        try:
            while waiting or futures:
                # no more than are trained: Dask blames a worker's death on all that it was given
                while waiting and len(futures) < self.workers:
                    place = waiting.popleft()
                    key = f"{name}-{place}"
                    args = (name, place, work, stacks[place])
                    futures[place] = self._client.submit(_train, *args, key=key, pure=False)
                    futures[place].add_done_callback(partial(_done, heard, place))
                place, message = heard.get()
                if message is not None:
                    hear(place, message)
                    continue
                try:
                    for last in futures.pop(place).result():
                        hear(place, last)
                except Exception as error:  # whatever the work has raised, or Dask of a lost worker
                    why[place] = said(error)
        except KeyboardInterrupt:
            _stop(name).set()
            raise
        finally:
            self._client.cancel(list(futures.values()))
            self._client.unsubscribe_topic(name)
        return why

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


def _heard(heard: "queue.Queue[tuple[int, Any]]", event: tuple[float, Any]) -> None:
    heard.put(event[1])


def _done(heard: "queue.Queue[tuple[int, Any]]", place: int, _: Any) -> None:
    heard.put((place, None))


def _stop(name: str) -> Any:
    """Is set when the sweep is interrupted."""
    from distributed import Event

    return Event(f"{name}-stop")


def _train(name: str, place: int, work: Work, stack: Stack) -> list[Message]:
    """The worker's side."""
    from distributed import get_worker

    worker, stop = get_worker(), _stop(name)

    def live(message: Message) -> None:
        worker.log_event(name, (place, message))
        if stop.is_set():  # between two steps; the last checkpoint is where it will go on
            raise RunError("the sweep was interrupted")

    return train(work, stack, live)
