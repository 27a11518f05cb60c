"""On a Ray cluster: one of our own on this machine, or an existing one by its address.

An existing one needs this package on its nodes, and the folder of the outputs under the same path.
"""

import contextlib
import logging
import os
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from ninja.errors import ConfigError
from ninja.sweep.executors.base import GRACE, Attempts, Hear, Stack, Work
from ninja.sweep.executors.remote import missing, said, train
from ninja.sweep.jobs import Message

SECONDS = 0.5
"""Between two looks at what was said."""

REACH = 5.0
"""Seconds until a machine that does not answer is called unreachable."""


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
        if address is not None:
            os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "2")  # half a minute each
        try:
            import ray
        except ImportError:
            raise missing("ray") from None
        self._ray: Any = ray
        self._retries = retries
        own: dict[str, Any] = {"address": address} if address else {"num_cpus": workers}
        try:
            _reach(address or "")
            ray.init(
                include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **own
            )
        except Exception as error:  # whatever comes of talking to something that is no cluster
            raise ConfigError(
                f"hydra.launcher.address: no Ray cluster at {address!r} ({said(error)}): give one "
                "that runs, such as auto, or null for one on this machine"
            ) from None
        self.workers = workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)

    def run(self, work: Work, stacks: Sequence[Stack], hear: Hear) -> list[str | None]:
        """See `Executor.run`."""
        from ray.util.queue import Queue

        ray = self._ray
        told = Queue(actor_options={"num_cpus": 0})
        remote = ray.remote(num_cpus=1, max_retries=0)(_train)
        attempts = Attempts(len(stacks), self._retries, hear)
        at: dict[Any, int] = {}
        try:
            while attempts.waiting or at:
                while attempts.waiting and len(at) < self.workers:
                    place = attempts.begin()
                    at[remote.remote(told, place, work, stacks[place])] = place
                ready, _ = ray.wait(list(at), num_returns=1, timeout=SECONDS)
                _listen(told, hear)
                for reference in ready:
                    self._ended(reference, at.pop(reference), attempts, hear)
        except KeyboardInterrupt:
            for reference in at:
                ray.cancel(reference)  # as a Ctrl-C: it is saved between two steps
            ray.wait(list(at), num_returns=len(at), timeout=GRACE)
            raise
        return attempts.why

    def _ended(self, reference: Any, place: int, attempts: Attempts, hear: Hear) -> None:
        """Hear a stack's last words, or let it wait for another start."""
        errors = self._ray.exceptions
        try:
            for last in self._ray.get(reference):
                hear(place, last)
        except errors.RayTaskError as error:  # a fault of the work itself
            attempts.why[place] = said(error.cause)
        except errors.RayError as error:  # its worker or its node
            attempts.lost(place, said(error).partition(".")[0])

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


def _reach(address: str) -> None:
    """Ray itself goes on trying for minutes.

    Raises:
        OSError: nobody listens there.
    """
    host, colon, port = address.rpartition(":")
    if colon and "/" not in host and port.isdigit():
        socket.create_connection((host, int(port)), REACH).close()


def _listen(told: Any, hear: Hear) -> None:
    """Pass on what there is; nothing, when the node is gone that has kept it."""
    from ray.exceptions import RayError
    from ray.util.queue import Empty

    with contextlib.suppress(Empty, RayError):
        while True:
            hear(*told.get_nowait())


def _train(told: Any, place: int, work: Work, stack: Stack) -> list[Message]:
    """The worker's side."""
    from ray.exceptions import RayError

    def live(message: Message) -> None:
        with contextlib.suppress(RayError):  # nobody hears it any more
            told.put((place, message))

    return train(work, stack, live)
