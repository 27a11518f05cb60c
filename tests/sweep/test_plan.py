"""Stacks: one shape each, none too large, every worker with its share."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja.config import (
    CheckpointConfig,
    InitConfig,
    ModelConfig,
    NormConfig,
    OptimizerConfig,
    ProbeConfig,
    RunConfig,
    WandbConfig,
)
from ninja.sweep.jobs import HydraFiles, Job
from ninja.sweep.plan import shape_signature, stacks

BASE = RunConfig()
SAME = (
    replace(BASE, seed=1),
    replace(BASE, init=InitConfig(scheme="orthogonal", gain=0.5, bias_std=0.1)),
    replace(BASE, optimizer=OptimizerConfig(lr=0.5)),
    replace(BASE, study="other", output="elsewhere", tracker="online"),
    replace(BASE, wandb=WandbConfig(group="g")),
)
OTHER = (
    replace(BASE, steps=1),
    replace(BASE, batch_size=16),
    replace(BASE, backward="autograd"),
    replace(BASE, model=ModelConfig(activation="relu")),
    replace(BASE, norm=NormConfig(name="none")),
    replace(BASE, norm=NormConfig(momentum=0.1)),
    replace(BASE, optimizer=OptimizerConfig(clip=1.0)),
    replace(BASE, optimizer=OptimizerConfig(name="adamw")),
    replace(BASE, optimizer=OptimizerConfig(lr_schedule=((5, 0.1),))),
    replace(BASE, probe=ProbeConfig(every=7)),
    replace(BASE, checkpoint=CheckpointConfig(every=7)),
    replace(BASE, dtype="float64"),
    replace(BASE, threads=2),
    replace(BASE, compile=True),
    replace(BASE, recompute="sqrt"),
)


def jobs_of(configs: Sequence[RunConfig]) -> list[Job]:
    files = HydraFiles(None, {}, {}, [])
    return [Job(n, (), config, Path(str(n)), files) for n, config in enumerate(configs)]


def test_what_may_differ_in_a_stack() -> None:
    assert {shape_signature(config) for config in SAME} == {shape_signature(BASE)}


def test_what_may_not() -> None:
    assert len({shape_signature(config) for config in (BASE, *OTHER)}) == len(OTHER) + 1


def test_the_size_of_a_clip_may_differ_but_not_whether_there_is_one() -> None:
    one, two = (replace(BASE, optimizer=OptimizerConfig(clip=clip)) for clip in (0.1, 2.0))
    assert shape_signature(one) == shape_signature(two) != shape_signature(BASE)


@given(
    st.lists(st.sampled_from([BASE, *SAME, *OTHER]), max_size=60),
    st.integers(1, 5),
    st.integers(1, 20),
)
def test_every_job_is_in_one_stack_of_its_shape(
    configs: list[RunConfig], workers: int, most: int
) -> None:
    jobs = jobs_of(configs)
    made = stacks(jobs, workers, lambda _: most)
    assert sorted(job.number for part in made for job in part) == list(range(len(jobs)))
    for part in made:
        assert 1 <= len(part) <= most
        assert len({shape_signature(job.config) for job in part}) == 1
        assert [job.number for job in part] == sorted(job.number for job in part)
    work = [part[0].config.steps * len(part) for part in made]
    assert work == sorted(work, reverse=True)
    alone = len(made) == len(jobs)
    assert alone or len(made) % workers == 0


@pytest.mark.parametrize(
    ("runs", "workers", "most", "sizes"),
    [
        (96, 2, 16, [16] * 6),
        (90, 2, 20, [15] * 6),
        (10, 2, 16, [5, 5]),
        (2, 4, 16, [1, 1]),
        (5, 1, 16, [5]),
        (33, 2, 16, [9, 8, 8, 8]),
    ],
)
def test_sizes(runs: int, workers: int, most: int, sizes: list[int]) -> None:
    jobs = jobs_of([replace(BASE, seed=seed) for seed in range(runs)])
    assert [len(part) for part in stacks(jobs, workers, lambda _: most)] == sizes
