"""Work for workers that are tested: what a job's overrides say."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ninja.config import RunConfig
from ninja.sweep.jobs import HydraFiles, Job, Message

Tell = Callable[[Message], None]
FILES = HydraFiles(None, {}, {}, [])


def job(number: int, folder: Path, *orders: str) -> Job:
    return Job(number, orders, RunConfig(), folder / str(number), FILES)


def obey(jobs: Sequence[Job], tell: Tell) -> None:
    """Leave a file for each attempt, and do what the job says."""
    for one in jobs:
        one.folder.mkdir(parents=True, exist_ok=True)
        attempt = len(list(one.folder.glob("attempt*"))) + 1
        (one.folder / f"attempt{attempt}").write_text(str(os.getpid()))
        tell({"do": "held", "job": one.number, "steps": 0})
        for order in one.overrides:
            what, _, until = order.partition(":")
            if until and attempt > int(until):
                continue
            if what == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "sleep":
                time.sleep(60)
            if what == "raise":
                raise ValueError("a fault\nof two lines")
            if what == "wait":
                _wait(one, tell)
        tell({"do": "ended", "job": one.number, "status": "done", "validation": 1.0})


def _wait(one: Job, tell: Tell) -> None:
    """Until it is asked to stop, as a training loop does."""
    asked: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    until = time.monotonic() + 60
    while not asked and time.monotonic() < until:
        time.sleep(0.01)
    signal.signal(signal.SIGTERM, before)
    (one.folder / "saved").touch()
    tell({"do": "ended", "job": one.number, "status": "stopped"})
    raise SystemExit(0)
