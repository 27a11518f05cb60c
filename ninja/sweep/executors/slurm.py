"""On a Slurm cluster, through submitit: a job for each stack.

``hydra.launcher.slurm`` is what submitit is given: ``partition``, ``timeout_min``,
``cpus_per_task`` and the like. Nodes need this package and a file system that they share.
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ninja.errors import ConfigError
from ninja.sweep.executors.base import Hear, Stack, Work, lost
from ninja.sweep.executors.remote import missing, said, silent, train

SECONDS = 1.0
"""Between two looks at the queue."""

FOLDER = ".submitit"
"""In the study's folder: what was submitted, and what its jobs have printed."""

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
            executor.update_parameters(**{"job_name": "ninja", **self._parameters()})
        except (TypeError, ValueError) as error:
            raise ConfigError(f"hydra.launcher.slurm: {said(error)}") from None
        attempts = [1] * len(stacks)
        why: list[str | None] = [None] * len(stacks)
        waiting = {
            place: executor.submit(train, work, stack, silent) for place, stack in enumerate(stacks)
        }
        try:
            while waiting:
                time.sleep(SECONDS)
                for place, job in [(p, j) for p, j in waiting.items() if j.done()]:
                    del waiting[place]
                    try:
                        for last in job.result():
                            hear(place, last)
                    except self._submitit.core.utils.UncompletedJobError as error:
                        fault = f"Slurm's job {job.job_id} is {job.state}: {_first(error)}"
                        if attempts[place] > self._retries:
                            why[place] = lost(fault, attempts[place])
                            continue
                        attempts[place] += 1
                        hear(place, {"do": "lost", "line": fault})
                        waiting[place] = executor.submit(train, work, stacks[place], silent)
                    except self._submitit.core.utils.FailedJobError as error:
                        why[place] = _first(error)
        except KeyboardInterrupt:
            for job in waiting.values():
                job.cancel()  # SIGTERM: it is saved between two steps
            raise
        return why

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


def _first(error: BaseException) -> str:
    return said(error).partition(" job has produced")[0][:300]
