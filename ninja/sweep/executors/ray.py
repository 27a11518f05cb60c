"""On a Ray cluster: one of our own on this machine, or an existing one by its address.

An existing one needs this package on its nodes, and the folder of the outputs under the same path.
"""

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from ninja.errors import ConfigError
from ninja.sweep.executors.base import Hear, Stack, Work, lost
from ninja.sweep.executors.remote import missing, said, train
from ninja.sweep.jobs import Message

SECONDS = 0.5
"""Between two looks at what was said."""


class Ray:
    """A driver of a Ray cluster.

    Attributes:
        workers: processors of the cluster, or as many as are wanted of it.
    """

    def __init__(self, workers: int | None, retries: int, address: str | None) -> None:
        """Connect, or start Ray here.

        Raises:
            ConfigError: Ray is not installed, or the cluster cannot be reached.
        """
        try:
            import ray
        except ImportError:
            raise missing("ray") from None
        self._ray: Any = ray
        self._retries = retries
        own: dict[str, Any] = {"address": address} if address else {"num_cpus": workers}
        try:
            ray.init(
                include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **own
            )
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"hydra.launcher.address: no Ray cluster at {address!r} ({said(error)}): give one "
                "that runs, such as auto, or null for one on this machine"
            ) from None
        self.workers = workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)

    def run(self, work: Work, stacks: Sequence[Stack], hear: Hear) -> list[str | None]:
        """See `Executor.run`."""
        from ray.util.queue import Empty, Queue

        ray = self._ray
        told = Queue(actor_options={"num_cpus": 0})
        remote = ray.remote(num_cpus=1, max_retries=0)(_train)
        attempts = [1] * len(stacks)
        why: list[str | None] = [None] * len(stacks)
        at = {remote.remote(told, p, work, stack): p for p, stack in enumerate(stacks)}
        try:
            while at:
                ready, _ = ray.wait(list(at), num_returns=1, timeout=SECONDS)
                try:
                    while True:
                        hear(*told.get_nowait())
                except Empty:
                    pass
                for reference in ready:
                    place = at.pop(reference)
                    try:
                        for last in ray.get(reference):
                            hear(place, last)
                    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError) as e:
                        fault = said(e).partition(".")[0]
                        if attempts[place] > self._retries:
                            why[place] = lost(fault, attempts[place])
                            continue
                        attempts[place] += 1
                        hear(place, {"do": "lost", "line": fault})
                        at[remote.remote(told, place, work, stacks[place])] = place
                    except ray.exceptions.RayTaskError as error:  # a fault of the work itself
                        why[place] = said(error.cause)
        except KeyboardInterrupt:
            for reference in at:
                ray.cancel(reference)  # as a Ctrl-C: it is saved between two steps
            ray.wait(list(at), num_returns=len(at), timeout=60)
            raise
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
        self._ray.shutdown()


def _train(told: Any, place: int, work: Work, stack: Stack) -> list[Message]:
    """The worker's side."""
    return train(work, stack, lambda message: told.put((place, message)))
