"""What Hydra runs: one job at a time, or with the packed launcher a whole sweep."""

import sys
from collections.abc import Sequence
from functools import cache
from math import isfinite
from multiprocessing import util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from ninja import faults, runs
from ninja.checks import check_keys, check_place, check_run
from ninja.config import RunConfig
from ninja.errors import NinjaError
from ninja.loading import uncollected
from ninja.schema import config_of
from ninja.tracking import Mirror, mode_of

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from ninja.sweep.executors import Executor
    from ninja.sweep.jobs import Ended, Invalid, Job
    from ninja.sweep.settings import Settings


class Task:
    """The task function that Hydra is given.

    It can be pickled, and in another process (`hydra/launcher=joblib`) has a mirror of its own.

    Attributes:
        codes: exit codes of what was run.
        mirror: W&B's view of it.
        stopped: what was raised when the command was told to stop, and nobody may have seen.
    """

    def __init__(self) -> None:
        self.codes = [0]
        self.stopped: KeyboardInterrupt | None = None
        self.mirror = Mirror(lambda line: print(f"warning: {line}", flush=True))

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process nobody closes the mirror: that process does when it ends."""
        return _elsewhere, ()

    def __call__(self, composed: DictConfig) -> float | None:
        """Train one run; returns its loss on the validation split, for a sweeper that optimises.

        Infinity if it diverged; none if it was refused, which was told.
        """
        self.give_way()
        code, folder = _job(composed, self)
        self.codes.append(code)
        if code > 128:  # a signal is meant for the whole command, not for one of its runs
            sys.exit(code)
        if folder is None or code > 1:
            return None
        from ninja import result

        found = result.read(folder)
        return float("inf") if found is None else found.losses.get("validation", float("inf"))

    def sweep(
        self, jobs: "Sequence[Job | Invalid]", workers: "Executor", settings: "Settings"
    ) -> "list[Ended]":
        """Train all of a sweep's jobs; one entry each."""
        self.give_way()
        from ninja.sweep.sweep import sweep

        ended = sweep(jobs, workers, settings, self.mirror)
        self.codes.append(0 if all(one.status == "done" for one in ended) else 1)
        return ended

    def give_way(self) -> None:
        """Raise what was raised when the command was told to stop.

        Where OmegaConf is stopped while it puts something back, that may fail, and another error
        takes its place; and Hydra drops all errors while it composes to see in which mode it runs.

        Raises:
            KeyboardInterrupt: it was told so.
        """
        if self.stopped is not None:
            raise self.stopped

    def hear(self, returned: "Sequence[JobReturn]") -> None:
        """What the jobs of a sweep returned, which other launchers have run somewhere else."""
        for one in returned:
            value = one.return_value  # raises what the job has raised
            self.codes.append(0 if value is not None and isfinite(value) else 1)


@cache
def _elsewhere() -> Task:
    """The task of this process, which is not the one that was given the command."""
    register()
    task = Task()
    util.Finalize(task, task.mirror.close, exitpriority=1)
    return task


def register() -> None:
    """Tell OmegaConf of ``${run_id:}`` and ``${study_folder:}``."""
    OmegaConf.register_new_resolver("run_id", _run_id, replace=True)
    OmegaConf.register_new_resolver("study_folder", _study_folder, replace=True)


def _run_id(*, _root_: DictConfig) -> str:
    """``${run_id:}``: of the run that is being composed, once it is known to be one."""
    try:
        config = config_of(RunConfig, _plain(_root_))
        check_keys(config)
        return runs.run_id(config)
    except (NinjaError, OmegaConfBaseException):
        return _nowhere(_root_)


def _study_folder(*, _root_: DictConfig) -> str:
    """``${study_folder:}``: of the run or the runs that are being composed."""
    try:
        config = config_of(RunConfig, _plain(_root_))
        check_place(config)
        return str(Path(config.output, config.study))
    except (NinjaError, OmegaConfBaseException):
        return _nowhere(_root_)


def _nowhere(root: DictConfig) -> str:
    """One of several runs is at fault: `_job` tells of it, and the others go on.

    It gets a folder that exists, in which Hydra writes nothing. To raise here would end them all,
    which is right where there is one run, or where it is their common folder that is at fault.
    """
    if OmegaConf.is_missing(root.hydra.job, "num"):
        raise  # the fault that the caller has caught
    with read_write(root.hydra):
        root.hydra.output_subdir = None
    return "."


def _plain(composed: DictConfig) -> dict[str, Any]:
    """The job's own keys, resolved, without Hydra's."""
    job = {str(key): composed._get_node(key) for key in composed if key != "hydra"}
    return {
        key: OmegaConf.to_container(node, resolve=True)
        if OmegaConf.is_config(node)
        else composed[key]
        for key, node in job.items()
    }


def _job(composed: DictConfig, task: Task) -> tuple[int, Path | None]:
    """Train one run; its exit code and its folder.

    A fault is told here: Hydra would add a line of its own.
    """
    folder = None
    try:
        config = config_of(RunConfig, _plain(composed))
        check_keys(config)
        folder = runs.folder(config)
        first = f"{folder}: {config.backward}, {config.steps:,} steps, seed {config.seed}"
        print(first, flush=True)
        return _watched(config, folder, task.mirror), folder
    except (NinjaError, OmegaConfBaseException, OSError) as error:
        task.give_way()
        return faults.told(faults.line(error, folder)), folder
    except (MemoryError, RuntimeError) as error:
        if not faults.is_out_of_memory(error):
            raise
        return faults.told(faults.out_of_memory(folder)), folder


def _watched(config: RunConfig, folder: Path, mirror: Mirror) -> int:
    with uncollected():
        from ninja import screen  # torch comes with it, after the first line
        from ninja.allocator import keep_freed_memory

    check_run(config)  # what only torch knows, before anybody is told of this run
    keep_freed_memory()
    notes = {
        "offline": ["W&B           offline, in its folder wandb; make sync sends it to the server"],
        "online": [f"W&B           project {config.wandb.project}; told below if it has not all"],
        "disabled": list[str](),
    }
    try:
        return screen.watch(
            config, folder, notes[mode_of(config)], lambda _: mirror.follow(config, folder)
        )
    finally:
        mirror.ended(folder)
