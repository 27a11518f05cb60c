"""Processes that read runs and draw figures beside each other, where a command has many."""

from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context

from ninja.errors import RunError

PARALLEL = 256
"""Runs from which on a second process pays."""

BACKENDS = ("agg", "svg", "pdf")
PRELOAD = (
    "analysis.tables",
    "analysis.figures",
    *(f"matplotlib.backends.backend_{name}" for name in BACKENDS),
)


@contextmanager
def workers(count: int, runs: int) -> Generator[ProcessPoolExecutor | None]:
    """So many processes, as long as the block lasts; none where the runs are too few for them.

    Their main module is that of the caller, which they import: it must be one that can be.

    Raises:
        RunError: one of them was killed.
    """
    if count < 2 or runs < PARALLEL:
        yield None
        return
    from ninja.server import start_server  # a report that is there needs nothing of it

    start_server(PRELOAD)
    pool = ProcessPoolExecutor(count, mp_context=get_context("forkserver"))
    try:
        yield pool
    except BrokenProcessPool:
        raise RunError(
            "a process that reads or draws beside others was killed: is there enough memory?"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
