"""Composed once and merged: the same as Hydra composes every job by itself."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobStatus, run_job, setup_globals
from hydra.errors import HydraException
from hydra.types import HydraContext
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf, open_dict

from ninja import runs, task
from ninja.config import RunConfig
from ninja.schema import config_of
from ninja.sweep import hydra_files
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


@pytest.fixture(scope="module")
def loaded() -> tuple[ConfigLoader, DictConfig]:
    with loading() as found:
        return found


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(VALUES), max_size=5, unique_by=lambda one: one.partition("=")[0]),
    st.lists(st.sampled_from(OTHERS), max_size=2, unique_by=lambda one: one.partition("=")[0]),
    st.randoms(use_true_random=False),
    st.integers(0, 99),
)
def test_the_same_as_hydra(
    loaded: tuple[ConfigLoader, DictConfig],
    values: list[str],
    others: list[str],
    random: Any,
    number: int,
) -> None:
    overrides = [*values, *others]
    random.shuffle(overrides)
    composer = Composer(*loaded)
    composer.composed(["seed=3", "steps=4"], 0)  # what is kept must not shine through
    try:
        expected = by_hydra(*loaded, overrides, number)
    except HydraException as error:
        with pytest.raises(type(error)):
            composer.composed(overrides, number)
        return
    assert composer.composed(overrides, number) == expected


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer.lr=0.3", "++optimizer.lr=0.5"],
        ["++optimizer.lr=0.5", "optimizer.lr=0.3"],
        ["optimizer.lr=0.3", "optimizer={lr: 0.5}"],
        ["optimizer.betas=[0.5,0.6]", "optimizer.betas.0=0.7"],
        ["optimizer.lr=0.3", "optimizer=adamw"],
        ["init.gain=2", "experiment=lecture_deep"],
    ],
)
def test_the_last_one_counts_where_it_does_for_hydra(overrides: list[str]) -> None:
    with loading() as (loader, master):
        composer = Composer(loader, master)
        for _ in range(2):
            assert composer.composed(overrides, 3) == by_hydra(loader, master, overrides, 3)


@pytest.mark.parametrize(
    "overrides",
    [
        ["seed=2", "init.gain=5/3", "norm=none", "wandb.tags=[a,'1']"],
        ["experiment=gradient_health", "study='a b'", "++seed=4"],
        ["hydra.sweep.subdir=${hydra.job.num}_${seed}", "seed=2", "wandb.group=${study}"],
        ["wandb.group='job ${hydra:job.num}'", "hydra.sweep.dir=elsewhere"],
    ],
)
def test_the_run_and_the_files_that_hydra_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str]
) -> None:
    """As `run_job` hands it to the task, byte for byte where it is written."""
    monkeypatch.chdir(tmp_path)
    made: list[RunConfig] = []
    with loading() as (loader, master):
        (job,) = Composer(loader, master).jobs([overrides], first=7)
        config = loader.load_sweep_config(master, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = 7
        done = run_job(
            lambda composed: made.append(config_of(RunConfig, task._plain(composed))),
            config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=HydraContext(loader, Callbacks()),
            configure_logging=False,
        )
    assert done.status is JobStatus.COMPLETED
    assert isinstance(job, Job)
    assert [job.config] == made
    assert job.files.folder is not None
    theirs = {path.name: path.read_bytes() for path in job.files.folder.iterdir()}
    hydra_files.write(replace(job.files, folder=tmp_path / "ours"))
    assert theirs == {path.name: path.read_bytes() for path in (tmp_path / "ours").iterdir()}


def test_now_is_the_same_for_all_jobs() -> None:
    setup_globals()
    with composing("study=${now:%f}") as composer:
        first, second = composer.jobs([["study=${now:%f}", f"seed={n}"] for n in (1, 2)])
    assert isinstance(first, Job)
    assert isinstance(second, Job)
    assert first.config.study == second.config.study


def test_hydra_is_not_asked_again_about_what_it_has_refused() -> None:
    with composing() as composer:
        for wrong in ("norm=bachnorm", "nrom.eps=0.1", "experiment=null"):
            before = composer.loads
            made = composer.jobs([[wrong, f"seed={n}"] for n in range(30)])
            assert all(isinstance(one, Invalid) for one in made)
            assert len({one.why for one in made if isinstance(one, Invalid)}) == 1
            assert composer.loads <= before + 1
        made = composer.jobs([[f"optimzer.lr={n / 7}"] for n in range(30)])
        for one in made:
            assert isinstance(one, Invalid)
            assert one.why.startswith(
                "optimzer.lr: there is no such key, did you mean optimizer.lr"
            )
        assert composer.loads <= 4


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
        ("+steps=4", "steps"),
        ("~steps=4", "steps"),
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
