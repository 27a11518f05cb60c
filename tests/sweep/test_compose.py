"""Composed once and merged: the same as Hydra composes every job by itself."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_loader import ConfigLoader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf, open_dict

from ninja import runs
from ninja.sweep.compose import Composed, Composer
from ninja.sweep.jobs import Invalid, Job
from tests.sweep.composing import composing, loading

VALUES = (
    *("seed=1", "seed=7", "seed=1234567890", "steps=10", "steps=1_000", "seed=007"),
    *("init.gain=0.5", "init.gain=5/3", "init.gain=tanh", "init.gain=1e-3", "init.bias_std=null"),
    *("optimizer.lr=0.1", "optimizer.lr=1", "optimizer.clip=2.5", "optimizer.clip=null"),
    *("model.residual=true", "model.residual=no", "study=a", "study='b c'", 'study="5"'),
    *("probe.early=[0,1]", "probe.early=[]", "optimizer.lr_schedule=[[5,0.1],[7,0.2]]"),
    *("wandb.tags=[x,y]", "wandb.group=g", "dtype=float64", "data.path=/x/y"),
)
OTHERS = (
    *("norm=none", "norm=layernorm", "backward=autograd", "optimizer=adamw", "init=kaiming"),
    *("experiment=lecture_deep", "experiment=gradient_health", "tracker=disabled"),
    *("+new=1", "+model.depth=3", "++seed=5", "~wandb.group", "model={n_hidden:7}"),
    *("wandb.group=${study}", "hydra.sweep.subdir=x", "hydra.job.name=other", "study=???"),
)


def by_hydra(
    loader: ConfigLoader, master: DictConfig, overrides: list[str], number: int
) -> Composed:
    """As its basic launcher does it."""
    config = loader.load_sweep_config(master, overrides)
    with open_dict(config):
        config.hydra.job.id = number
        config.hydra.job.num = number
    return Composed.of(config)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.sampled_from(VALUES), max_size=5, unique_by=lambda one: one.partition("=")[0]),
    st.lists(st.sampled_from(OTHERS), max_size=2, unique_by=lambda one: one.partition("=")[0]),
    st.randoms(use_true_random=False),
    st.integers(0, 99),
)
def test_the_same_as_hydra(values: list[str], others: list[str], random: Any, number: int) -> None:
    overrides = [*values, *others]
    random.shuffle(overrides)
    with loading() as (loader, master):
        composer = Composer(loader, master)
        composer.composed(["seed=3", "steps=4"], 0)  # what is kept must not shine through
        try:
            expected: Any = by_hydra(loader, master, overrides, number)
        except Exception as error:
            with pytest.raises(type(error)):
                composer.composed(overrides, number)
            return
        found = composer.composed(overrides, number)
        assert found.task == expected.task
        assert found.hydra == expected.hydra


def test_a_sweep_of_values_is_composed_once() -> None:
    with composing() as composer:
        made = composer.jobs([[f"seed={n}", f"init.gain={n % 3}", "norm=none"] for n in range(50)])
        assert composer.loads == 1
        assert all(isinstance(job, Job) for job in made)
        assert [job.config.seed for job in made if isinstance(job, Job)] == list(range(50))
        composer.jobs([["seed=1", f"norm={norm}"] for norm in ("none", "layernorm", "none")])
        assert composer.loads == 2


def test_jobs_do_not_share_what_one_of_them_changes() -> None:
    with composing() as composer:
        first, second = composer.jobs([["seed=1", "wandb.tags=[a]"], ["seed=2"]])
        assert isinstance(first, Job)
        assert isinstance(second, Job)
        assert (first.config.wandb.tags, second.config.wandb.tags) == (("a",), ())
        assert first.files.config["wandb"] is not second.files.config["wandb"]
        assert first.files.hydra["job"]["num"] == 0
        assert second.files.hydra["job"]["num"] == 1


def test_a_job_says_where_it_lies(tmp_path: Path) -> None:
    with composing() as composer:
        (job,) = composer.jobs([["seed=1", f"output={tmp_path}", "study=s"]], first=5)
        assert isinstance(job, Job)
        assert job.number == 5
        assert job.folder == runs.folder(job.config) == tmp_path / "s" / job.folder.name
        assert job.files.folder == job.folder / ".hydra"
        assert job.files.hydra["runtime"]["output_dir"] == str(job.folder)
        assert pickle.loads(pickle.dumps(job)) == job


def test_hydras_own_folder_may_be_another(tmp_path: Path) -> None:
    typed = [f"hydra.sweep.dir={tmp_path}/x", "hydra.sweep.subdir=${hydra.job.num}_${seed}"]
    with composing(*typed) as composer:
        (job,) = composer.jobs([["seed=4"]], first=2)
        assert isinstance(job, Job)
        assert job.files.folder == tmp_path / "x" / "2_4" / ".hydra"
        assert job.folder == runs.folder(job.config)
    with composing("hydra.output_subdir=null") as composer:
        (job,) = composer.jobs([["seed=4"]])
        assert isinstance(job, Job)
        assert job.files.folder is None


def test_interpolations_are_resolved() -> None:
    with composing() as composer:
        (job,) = composer.jobs([["wandb.group=${study}", "study=mine"]])
        assert isinstance(job, Job)
        assert job.config.wandb.group == "mine"
        assert job.files.config["wandb"]["group"] == "${study}"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("sed=1", "sed"),
        ("seed=abc", "seed: 'abc' is not of type int"),
        ("seed=-1", "seed: -1 is out of range"),
        ("norm=bachnorm", "norm: unknown name 'bachnorm'"),
        ("init.gain=tan", "init.gain: 'tan' is not a gain"),
        ("model.activation=tann", "model.activation"),
        ("batch_size=1", "batch_size: 1 row has no variance"),
        ("data.path=/nowhere", "/nowhere"),
        ("model=3", "model"),
    ],
)
def test_one_invalid_job_stops_no_other(override: str, said: str) -> None:
    with composing() as composer:
        before, wrong, after = composer.jobs([["seed=1"], ["seed=2", override], ["seed=3"]])
        assert isinstance(before, Job)
        assert isinstance(after, Job)
        assert isinstance(wrong, Invalid)
        assert wrong.number == 1
        assert said in wrong.why
        assert "\n" not in wrong.why


def test_what_hydra_composes_is_plain() -> None:
    with loading() as (loader, master):
        found = Composed.of(loader.load_sweep_config(master, []))
        assert "hydra" not in found.task
        assert not any(map(OmegaConf.is_config, [*found.task.values(), *found.hydra.values()]))
