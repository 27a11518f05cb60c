"""Specification of the presets: each composes, each of its jobs can be run, each study has one."""

from collections.abc import Sequence
from typing import Any

import pytest
from hydra._internal.callbacks import Callbacks
from hydra.core.plugins import Plugins
from hydra.types import HydraContext

from experiments import claims
from ninja import faults, runs
from ninja.checks import check_run
from ninja.sweep.jobs import Ended, Invalid, Job
from tests.sweep.composing import loading

# Hydra's own, of what its next version will do
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

NAMES = sorted(path.stem for path in (faults.CONF / "experiment").glob("*.yaml"))
SOME = ("bessel", "xavier")
"""Composed in the fast tests; all others in the slow ones."""

PRESETS = [pytest.param(name, marks=() if name in SOME else pytest.mark.slow) for name in NAMES]
NO_RUNS = {"recurrence"}
"""A study of what no configuration of a run has: a network through time."""


class Task:
    """Takes a whole sweep, and trains nothing."""

    def __init__(self) -> None:
        self.jobs: list[Job | Invalid] = []

    def sweep(self, jobs: Sequence[Job | Invalid], *_: Any) -> list[Ended]:
        self.jobs += jobs
        return [Ended(job, "done", 1.0) for job in jobs]


@pytest.mark.parametrize("name", PRESETS)
def test_all_jobs_of_a_preset_can_be_run(name: str) -> None:
    task, typed = Task(), f"experiment={name}"
    with loading("hydra/launcher=packed_inline", typed) as (loader, master):
        context: Any = HydraContext(loader, Callbacks())
        made = Plugins.instance().instantiate_sweeper(
            config=master,
            hydra_context=context,
            task_function=task,  # pyright: ignore[reportArgumentType]
        )
        made.sweep([typed])
    assert task.jobs
    for job in task.jobs:
        assert isinstance(job, Job), job
        check_run(job.config)
        assert job.config.study == name
    ids = {runs.run_id(job.config) for job in task.jobs if isinstance(job, Job)}
    assert len(ids) == len(task.jobs)


def test_every_study_has_a_preset() -> None:
    assert set(claims.names()) - NO_RUNS <= set(NAMES)
