"""The server that worker processes are forked from: it has loaded what they need, in one thread.

It takes the time of its imports once, beside whoever starts it, and 20 ms a worker.
"""

import os
import signal
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, get_context, resource_tracker
from pathlib import Path

from hydra.core.utils import env_override

PACKAGE = Path(__file__).parents[1]
"""Where workers find this package: they must take no other one that lies or is installed."""


def start_server(preload: Sequence[str]) -> None:
    """Start it, if there is none yet.

    Args:
        preload: modules that workers need, which it loads meanwhile.
    """
    get_context("forkserver").set_forkserver_preload(list(preload))
    path = os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH")]))
    with deaf(), env_override({"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}):
        forkserver.ensure_running()


@contextmanager
def deaf() -> Generator[None]:
    """What is started in the block has interrupts blocked, until it lets them through itself.

    A Ctrl-C while a process loads would print a traceback.
    """
    resource_tracker.ensure_running()  # which would unblock them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
