"""On a Slurm cluster, through submitit: a job for each stack.

``hydra.launcher.slurm`` is what submitit is given: ``partition``, ``timeout_min``,
``cpus_per_task`` and the like. Nodes need this package and a file system that they share.
"""

import contextlib
import io
import json
import logging
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ninja.errors import ConfigError, RunError
from ninja.server import PACKAGE
from ninja.sweep.executors.base import GRACE, Attempts, Hear, Stack, Work
from ninja.sweep.executors.remote import missing, said, train
from ninja.sweep.jobs import Message

COMMANDS = ("sbatch", "srun", "squeue", "scancel")
"""Of Slurm's, that are called: srun by submitit, within a job."""

SECONDS = 1.0
"""Between two looks at what the jobs have written."""

QUEUE = 5.0
"""Between two looks at the queue, which is everybody's."""

LOOKS = 2
"""At the queue, in which a job was not there: it may just be on its way in, or out."""

FOLDER = ".submitit"
"""In the study's folder: what was submitted, and what its jobs have printed."""

MINUTES = 240
"""That a job may take, where nothing is said; submitit's own five end most stacks."""

WORKERS = 4
"""Stacks at the same time, where nothing is said."""


@dataclass
class _Submitted:
    """A job of Slurm's.

    Attributes:
        job: submitit's.
        told: file that it writes what it says into.
        heard: bytes of it that were passed on.
        unseen: looks at the queue, one after the other, that have not found it.
    """

    job: Any
    told: Path
    heard: int = 0
    unseen: int = 0

    @property
    def number(self) -> str:
        """Slurm's."""
        return str(self.job.job_id)

    @property
    def over(self) -> bool:
        """Whether it has left its result."""
        return self.job.paths.result_pickle.exists()

    def listen(self, hear: Callable[[Message], None]) -> None:
        """Pass on what it has said since, in whole lines."""
        with contextlib.suppress(FileNotFoundError), self.told.open("rb") as file:
            file.seek(self.heard)
            for line in file:
                if line.endswith(b"\n"):
                    self.heard += len(line)
                    hear(json.loads(line))


class Slurm:
    """Submits, and waits.

    Attributes:
        workers: stacks that are submitted at the same time.
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
        for command in COMMANDS:
            if shutil.which(command) is None:
                raise ConfigError(
                    f"hydra/launcher: packed_slurm needs Slurm's command {command}, which is not "
                    "here: start the sweep on a node that submits, or use hydra/launcher=packed"
                )
        _queue()
        logging.getLogger("submitit").setLevel(logging.ERROR)
        self._submitit: Any = submitit
        self._options, self._retries = dict(options), retries
        self.workers = workers or WORKERS

    def run(self, work: Work, stacks: Sequence[Stack], hear: Hear) -> list[str | None]:
        """See `Executor.run`."""
        if not stacks:
            return []
        folder = Path(os.path.abspath(stacks[0][0].folder)).parent / FOLDER
        _end_earlier(folder)
        executor = self._executor(folder)
        attempts = Attempts(len(stacks), self._retries, hear)
        at: dict[int, _Submitted] = {}
        looked = time.monotonic()
        try:
            while attempts.waiting or at:
                while attempts.waiting and len(at) < self.workers:
                    place = attempts.begin()
                    at[place] = _submit(executor, folder, work, stacks[place])
                time.sleep(SECONDS)
                if time.monotonic() > looked + QUEUE:
                    _look(at.values())
                    looked = time.monotonic()
                for place, one in list(at.items()):
                    one.listen(partial(hear, place))
                    if one.over or one.unseen >= LOOKS:
                        del at[place]
                        self._ended(one, place, attempts, hear)
        except BaseException:
            self._stop(at, hear)
            raise
        return attempts.why

    def _executor(self, folder: Path) -> Any:
        """Submitit's, with the options.

        Raises:
            ConfigError: it has no such option.
        """
        names = {"timeout_min": "time", "tasks_per_node": "ntasks_per_node"}
        options = {names.get(key, key): value for key, value in self._options.items()}
        path = f'export PYTHONPATH="{PACKAGE}:$PYTHONPATH"'
        setup = [path, *options.pop("setup", [])]
        executor = self._submitit.SlurmExecutor(folder=folder, max_num_timeout=0)
        try:
            executor.update_parameters(
                **{"job_name": "ninja", "time": MINUTES, "setup": setup, **options}
            )
        except (TypeError, ValueError) as error:
            raise ConfigError(f"hydra.launcher.slurm: {said(error)}") from None
        return executor

    def _ended(self, one: _Submitted, place: int, attempts: Attempts, hear: Hear) -> None:
        """Hear a stack's last words, or let it wait for another start."""
        if not one.over:
            attempts.lost(place, f"Slurm's job {one.number} is gone{_state(one.number)}")
            return
        try:
            for last in one.job.result():
                hear(place, last)
        except self._submitit.core.utils.UncompletedJobError as error:
            fault = _last(error)
            if fault.startswith("submitit."):  # before Slurm would have ended it
                attempts.lost(place, f"Slurm's job {one.number} was at its time limit")
            else:
                attempts.why[place] = fault

    def _stop(self, at: dict[int, _Submitted], hear: Hear) -> None:
        """Ask all to stop, and hear their last words."""
        _cancel(one.number for one in at.values())  # SIGTERM: it is saved between two steps
        until = time.monotonic() + GRACE
        with contextlib.suppress(ConfigError):  # Slurm does not answer any more
            while at and time.monotonic() < until:
                there = _queue()
                for place, one in list(at.items()):
                    if one.over or one.number not in there:
                        del at[place]
                        self._last_words(one, partial(hear, place))
                time.sleep(SECONDS)

    def _last_words(self, one: _Submitted, hear: Callable[[Message], None]) -> None:
        """Of a job that was asked to stop, and may not even have begun."""
        if one.over:
            with contextlib.suppress(self._submitit.core.utils.UncompletedJobError):
                for last in one.job.result():
                    hear(last)

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


def _submit(executor: Any, folder: Path, work: Work, stack: Stack) -> _Submitted:
    """A job that trains a stack.

    Raises:
        ConfigError: Slurm does not take it.
    """
    told = folder / f"{uuid.uuid4().hex}.jsonl"
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # the same is raised
            job = executor.submit(train, work, stack, partial(_tell, told))
    except RuntimeError as error:
        raise ConfigError(f"hydra.launcher.slurm: {' '.join(str(error).split())}") from None
    return _Submitted(job, told)


def _tell(told: Path, message: Message) -> None:
    """The worker's side: what cannot be written stops no training."""
    with contextlib.suppress(OSError), told.open("a") as file:
        file.write(json.dumps(message) + "\n")


def _queue() -> dict[str, str]:
    """The user's jobs that wait or run, each with what it runs.

    Not every cluster has an accounting that could be asked.

    Raises:
        ConfigError: Slurm does not answer.
    """
    command = ["squeue", "--noheader", "--format=%i %o", "--user", str(os.getuid())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        why = " ".join(done.stderr.split())
        raise ConfigError(f"hydra/launcher: packed_slurm: Slurm does not answer ({why})")
    jobs = (line.partition(" ") for line in done.stdout.splitlines())
    return {number: runs for number, _, runs in jobs}


def _look(jobs: Iterable[_Submitted]) -> None:
    """Which of them the queue still has; where it does not answer, nothing is known."""
    with contextlib.suppress(ConfigError):
        there = _queue()
        for one in jobs:
            one.unseen = 0 if one.number in there else one.unseen + 1


def _end_earlier(folder: Path) -> None:
    """End the jobs of a sweep of this study that was killed: they save, and make way.

    Raises:
        RunError: they do not end.
    """
    until = time.monotonic() + 2 * GRACE
    while left := [number for number, runs in _queue().items() if Path(runs).parent == folder]:
        if time.monotonic() > until:
            raise RunError(f"Slurm's jobs {', '.join(left)} of an earlier sweep do not end")
        _cancel(left)
        time.sleep(SECONDS)


def _cancel(numbers: Iterable[str]) -> None:
    subprocess.run(["scancel", *numbers], capture_output=True, check=False)


def _state(number: str) -> str:
    """How a job has ended, where there is an accounting."""
    command = ["sacct", "--noheader", "--allocations", "--format=State%30", "--jobs", number]
    with contextlib.suppress(OSError):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not done.returncode and done.stdout.strip():
            return f" ({done.stdout.split()[0]})"
    return ""


def _last(error: BaseException) -> str:
    """What was raised in a job: the end of the traceback that stands between two dashed lines."""
    _, _, trace = str(error).partition("Traceback")
    lines = [line for line in trace.partition("\n---")[0].splitlines() if line]
    while any(line.startswith(" ") for line in lines):
        lines.pop(0)
    return " ".join(lines) or said(error)
