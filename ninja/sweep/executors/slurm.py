"""On a Slurm cluster, through submitit: a job for each stack.

``hydra.launcher.slurm`` is what submitit is given: ``partition``, ``timeout_min``,
``cpus_per_task`` and the like. Nodes need this package and a file system that they share.
"""

import logging
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ninja.errors import ConfigError
from ninja.sweep.executors.base import Hear, Stack, Work, lost
from ninja.sweep.executors.remote import missing, said, silent, train
from ninja.sweep.jobs import Message

SECONDS = 1.0
"""Between two looks at the queue."""

FOLDER = ".submitit"
"""In the study's folder: what was submitted, and what its jobs have printed."""

MINUTES = 240
"""That a job may take, where nothing is said; submitit's own five end most stacks."""

LOOKS = 3
"""At the queue, in which a job was not there: it may just be on its way in, or out."""

FAULT = "the work: "
"""Before a fault that would come again."""

WORKERS = 4
"""Stacks that are planned for at the same time, where nothing is said."""


class Slurm:
    """Submits, and waits.

    Attributes:
        workers: stacks to plan for; the queue decides how many run.
    """

    def __init__(self, workers: int | None, retries: int, options: Mapping[str, Any]) -> None:
        """Keep the options.

        Raises:
            ConfigError: submitit is not installed, or there is no Slurm here.
        """
        try:
            import submitit
        except ImportError:
            raise missing("slurm") from None
        if shutil.which("sbatch") is None:
            raise ConfigError(
                "hydra/launcher: packed_slurm needs Slurm's command sbatch, which is not here: "
                "start the sweep on a node that submits, or use hydra/launcher=packed"
            )
        logging.getLogger("submitit").setLevel(logging.ERROR)  # it warns of every look at no sacct
        self._submitit: Any = submitit
        self._options, self._retries = dict(options), retries
        self.workers = workers or WORKERS

    def run(self, work: Work, stacks: Sequence[Stack], hear: Hear) -> list[str | None]:
        """See `Executor.run`; what is said while they train is not heard."""
        if not stacks:
            return []
        folder = Path(stacks[0][0].folder).parent / FOLDER
        executor = self._submitit.SlurmExecutor(folder=folder, max_num_timeout=self._retries)
        try:
            executor.update_parameters(
                **{"job_name": "ninja", "time": MINUTES, **self._parameters()}
            )
        except (TypeError, ValueError) as error:
            raise ConfigError(f"hydra.launcher.slurm: {said(error)}") from None
        attempts = [1] * len(stacks)
        why: list[str | None] = [None] * len(stacks)
        waiting = {
            place: executor.submit(train, work, stack, silent) for place, stack in enumerate(stacks)
        }
        unseen: Counter[int] = Counter()
        try:
            while waiting:
                time.sleep(SECONDS)
                queued = _queued()
                for place, job in list(waiting.items()):
                    unseen[place] = 0 if job.job_id in queued else unseen[place] + 1
                    if not job.done() and unseen[place] < LOOKS:
                        continue
                    del waiting[place]
                    unseen[place] = 0
                    fault = self._ended(job, partial(hear, place))
                    if fault is None:
                        continue
                    if attempts[place] > self._retries or fault.startswith(FAULT):
                        why[place] = lost(fault.removeprefix(FAULT), attempts[place])
                        continue
                    attempts[place] += 1
                    hear(place, {"do": "lost", "line": fault})
                    waiting[place] = executor.submit(train, work, stacks[place], silent)
        except KeyboardInterrupt:
            for job in waiting.values():
                job.cancel()  # SIGTERM: it is saved between two steps
            raise
        return why

    def _ended(self, job: Any, hear: Callable[[Message], None]) -> str | None:
        """Hear the last words of a job that is over; why there are none."""
        errors = self._submitit.core.utils
        if not job.done():
            return f"Slurm's job {job.job_id} is gone from the queue"
        try:
            for last in job.result():
                hear(last)
        except errors.FailedJobError as error:  # a fault of the work itself
            return FAULT + _last(error)
        except errors.UncompletedJobError:
            return f"Slurm's job {job.job_id} has ended without a result ({job.state})"
        return None

    def _parameters(self) -> dict[str, Any]:
        """By Slurm's own names, as submitit's Slurm executor wants them."""
        names = {"timeout_min": "time", "tasks_per_node": "ntasks_per_node"}
        return {names.get(key, key): value for key, value in self._options.items()}

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is left to end."""


def _queued() -> set[str]:
    """The user's jobs that wait or run: not every cluster has an accounting that could be asked."""
    command = ["squeue", "--noheader", "--format=%i", "--user", str(os.getuid())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return set(done.stdout.split())


def _last(error: BaseException) -> str:
    """What the work has raised: the end of the traceback that stands between two dashed lines."""
    _, _, trace = str(error).partition("Traceback")
    lines = [line for line in trace.partition("\n---")[0].splitlines() if line]
    while any(line.startswith(" ") for line in lines):
        lines.pop(0)
    return " ".join(lines) or said(error)
