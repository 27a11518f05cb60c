"""The plugins in Hydra's own hands, and what the sweeper makes of presets and of failures."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.callbacks import Callbacks
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)
from hydra.types import HydraContext
from hydra.version import VersionBase

from ninja.errors import ConfigError
from ninja.sweep.jobs import Ended, Invalid, Job
from tests.sweep.composing import loading

# Hydra's own, of what its next version will do
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(autouse=True)
def base_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hydra keeps the one that was last asked for; its suites ask for none."""
    monkeypatch.delitem(Singleton._instances, VersionBase, raising=False)


def test_hydra_finds_them() -> None:
    for kind, name in ((Launcher, "PackedLauncher"), (Sweeper, "PackedSweeper")):
        assert name in {found.__name__ for found in Plugins.instance().discover(kind)}


NAMES = ["packed", "packed_inline", "packed_dask"]


@pytest.mark.parametrize(("launcher_name", "overrides"), [(name, []) for name in NAMES])
class TestLauncher(LauncherTestSuite):
    """Hydra's own suite: any application's jobs, which have no ``sweep``."""


@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("packed", ["hydra.sweeper.max_batch_size=2"])]
)
class TestBatched(BatchedSweeperTestSuite):
    """The same with a sweeper that launches in batches."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({}, ["-m", "hydra/launcher=packed"])],
)
class TestIntegration(IntegrationTestSuite):
    """The same, started as applications are."""


# --- what the sweeper makes of a command line ----------------------------------------------------


class Task:
    """Takes a whole sweep, and trains nothing."""

    def __init__(self) -> None:
        self.jobs: list[Job | Invalid] = []

    def __call__(self, _: Any) -> None:
        pytest.fail("called job by job")

    def sweep(self, jobs: Sequence[Job | Invalid], *_: Any) -> list[Ended]:
        self.jobs += jobs
        return [Ended(job, "done", 1.0) for job in jobs]


@contextmanager
def sweeper(task: Any, *typed: str) -> Iterator[Any]:
    """Of a command line."""
    with loading("hydra/launcher=packed_inline", *typed) as (loader, master):
        yield Plugins.instance().instantiate_sweeper(
            config=master, hydra_context=HydraContext(loader, Callbacks()), task_function=task
        )


def swept(*typed: str) -> list[str]:
    """The jobs of a command line, each as it would be typed alone."""
    task = Task()
    with sweeper(task, *typed) as made:
        made.sweep([one for one in typed if not one.lstrip("+").startswith("hydra")])
    return [" ".join(job.overrides) for job in task.jobs]


@pytest.fixture
def presets(tmp_path: Path) -> str:
    """The override by which Hydra finds presets with sweeps of their own."""
    bodies = {
        "pairs": "params: {init.gain: '1,2', seed: '3,4'}\n    zip: [[init.gain, seed]]",
        "grid": "params: {seed: '1,2'}",
        "same": "params: {seed: '1,2'}",
        "torn": "params: {seed: '1,2'",
    }
    (tmp_path / "experiment").mkdir()
    for name, body in bodies.items():
        text = f"# @package _global_\nstudy: {name}\nhydra:\n  sweeper:\n    {body}\n"
        (tmp_path / f"experiment/{name}.yaml").write_text(text)
    return f"hydra.searchpath=[{tmp_path}]"


def test_a_bare_sweep_is_the_default_one() -> None:
    jobs = swept()
    assert len(jobs) == len(set(jobs)) == 120
    assert jobs[0] == (
        "model=lecture init.gain=0.5 norm=none backward=manual_fused seed=1 "
        "experiment=gradient_health"
    )


def test_something_typed_is_no_bare_sweep() -> None:
    assert swept("study=x") == ["study=x"]
    assert swept("seed=1,2") == ["seed=1", "seed=2"]


def test_a_preset_carries_its_sweep(presets: str) -> None:
    assert swept(presets, "experiment=pairs") == [
        "init.gain=1 seed=3 experiment=pairs",
        "init.gain=2 seed=4 experiment=pairs",
    ]


def test_each_of_several_presets_carries_its_own(presets: str) -> None:
    assert swept(presets, "steps=5", "experiment=pairs,grid", "init.bias_std=0.1,0.2") == [
        "init.gain=1 seed=3 steps=5 experiment=pairs init.bias_std=0.1",
        "init.gain=1 seed=3 steps=5 experiment=pairs init.bias_std=0.2",
        "init.gain=2 seed=4 steps=5 experiment=pairs init.bias_std=0.1",
        "init.gain=2 seed=4 steps=5 experiment=pairs init.bias_std=0.2",
        "seed=1 steps=5 experiment=grid init.bias_std=0.1",
        "seed=1 steps=5 experiment=grid init.bias_std=0.2",
        "seed=2 steps=5 experiment=grid init.bias_std=0.1",
        "seed=2 steps=5 experiment=grid init.bias_std=0.2",
    ]


def test_presets_that_carry_the_same_are_one_more_key(presets: str) -> None:
    """In the order that Hydra's own sweeper has."""
    assert swept("steps=5,6", "experiment=lecture_deep,lecture_manual") == [
        f"steps={steps} experiment={name}"
        for steps in (5, 6)
        for name in ("lecture_deep", "lecture_manual")
    ]
    assert swept(presets, "experiment=grid,same") == [
        f"seed={seed} experiment={name}" for seed in (1, 2) for name in ("grid", "same")
    ]


def test_a_glob_that_only_one_preset_answers_to() -> None:
    assert swept("experiment=glob(gradient*)", "seed=1", "norm=none", "model=deep") == [
        f"model=deep init.gain={gain} norm=none backward={backward} seed=1 "
        "experiment=gradient_health"
        for gain in ("0.5", "1", "5/3", "3", "10")
        for backward in ("manual_fused", "autograd")
    ]


@pytest.mark.parametrize(
    "params",
    [
        "hydra.sweeper.params={init.gain:'1,2'}",
        "hydra.sweeper.params={init:{gain:'1,2'}}",
        "+hydra.sweeper.params.init.gain='1,2'",
    ],
)
def test_what_is_tried_as_a_sweepers_key(params: str) -> None:
    assert swept(params, "study=x") == ["init.gain=1 study=x", "init.gain=2 study=x"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("hydra.sweeper.params=3", r"^hydra\.sweeper\.params: 3 is no group of keys"),
        ("hydra.sweeper.params=[seed]", r"^hydra\.sweeper\.params: \['seed'\] is no group"),
        ("hydra.sweeper.zip=3", r"^hydra\.sweeper\.zip: 3 is no list of keys"),
    ],
)
def test_a_sweepers_key_of_another_type(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        swept(override, "seed=1,2")


def test_keys_paired_on_the_command_line_for_several_presets(presets: str) -> None:
    pair = "hydra.sweeper.zip=[[seed,init.gain]]"
    jobs = swept(presets, pair, "experiment=grid,pairs", "init.gain=5,6")
    assert jobs == [
        "seed=1 experiment=grid init.gain=5",
        "seed=2 experiment=grid init.gain=6",
        "init.gain=5 seed=3 experiment=pairs",
        "init.gain=6 seed=4 experiment=pairs",
    ]


@pytest.mark.parametrize("wrong", ["nosuch", "torn"])
def test_a_preset_that_cannot_be_read_stops_no_other(presets: str, wrong: str) -> None:
    task = Task()
    typed = [f"experiment=grid,{wrong}"]
    with sweeper(task, presets, *typed) as made:
        made.sweep(typed)
    *good, bad = task.jobs
    assert [type(job) for job in good] == [Job, Job]
    assert isinstance(bad, Invalid)
    assert "\n" not in bad.why
    assert bad.number == 2


def test_runs_side_by_side_have_no_working_directory_of_their_own() -> None:
    with pytest.raises(ConfigError, match=r"hydra\.job\.chdir: .*launcher=basic"):
        swept("hydra.job.chdir=true", "seed=1,2")


@pytest.mark.parametrize("key", ["workers", "stack", "retries"])
def test_a_launchers_key_of_another_type(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"^hydra\.launcher\.{key}: 'two' is not of type int"):
        swept(f"hydra.launcher.{key}=two", "seed=1,2")


def failing(_: Any) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("launcher", ["basic", "packed"])
def test_what_a_task_raises_is_raised(tmp_path: Path, launcher: str) -> None:
    """Of one that takes no whole sweep: else nobody would hear of it."""
    typed = [f"output={tmp_path}", "seed=1,2"]
    with (
        sweeper(failing, f"hydra/launcher={launcher}", *typed) as made,
        pytest.raises(ZeroDivisionError),
    ):
        made.sweep(typed)


@pytest.mark.parametrize("launcher", ["basic", "packed"])
def test_nothing_is_run_before_all_of_it_can_be(tmp_path: Path, launcher: str) -> None:
    calls: list[Any] = []
    typed = [f"output={tmp_path}", "norm=none,bachnorm"]
    with (
        sweeper(calls.append, f"hydra/launcher={launcher}", *typed) as made,
        pytest.raises(HydraException),
    ):
        made.sweep(typed)
    assert not calls
