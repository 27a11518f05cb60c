"""`python run.py -m` as it is typed: every run as if it were alone, whatever happens to others."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from ninja import result
from ninja.lock import Lock
from tests.sweep.alone import RUN, assert_as_alone, assert_as_typed_alone, config_in, one_of_each
from tests.sweep.clusters import SLURM
from tests.test_fit_together import WORDS

SHORT = (
    *("tracker=disabled", "steps=60", "model.n_hidden=16", "checkpoint.every=15"),
    *("probe.early=[0,1,5]", "probe.every=10", "probe.gap_every=20", "probe.close_every=20"),
)


@pytest.fixture
def base(tmp_path: Path) -> list[str]:
    (tmp_path / "words.txt").write_text(WORDS)
    return [*SHORT, f"data.path={tmp_path}/words.txt", f"output={tmp_path}/outputs", "study=s"]


def typed(*overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUN), "-m", *overrides], capture_output=True, text=True, timeout=300
    )


def study(tmp_path: Path, name: str = "s") -> Path:
    return tmp_path / "outputs" / name


def folders(tmp_path: Path, name: str = "s") -> list[Path]:
    return sorted(path.parent for path in study(tmp_path, name).glob("*/.hydra"))


def test_every_run_is_as_if_it_were_alone(tmp_path: Path, base: list[str]) -> None:
    done = typed(*base, "seed=1,2,3", "norm=none,batchnorm", "backward=manual_fused,autograd")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "12 done  (12 jobs" in done.stdout
    found = folders(tmp_path)
    assert len(found) == 12
    assert_as_alone(found, tmp_path / "alone")
    assert not (study(tmp_path) / "failures.json").exists()
    log = (study(tmp_path) / "sweep.log").read_text().splitlines()
    assert "12 jobs, 12 to train in 4 stacks of 3" in log[0]
    assert "12/12 runs done" in log[-1]


@pytest.mark.slow
def test_what_is_done_is_not_trained_again(tmp_path: Path, base: list[str]) -> None:
    assert typed(*base, "seed=1,2").returncode == 0
    before = {folder: (folder / "result.json").stat().st_mtime_ns for folder in folders(tmp_path)}
    again = typed(*base, "seed=1,2,3", "hydra/launcher=packed_inline")
    assert again.returncode == 0
    assert "3 jobs, 2 done before, 1 to train" in again.stdout
    after = {folder: (folder / "result.json").stat().st_mtime_ns for folder in folders(tmp_path)}
    assert before.items() <= after.items()
    assert len(after) == 3
    assert "3 jobs, 3 done before\n" in typed(*base, "seed=1,2,3").stdout


@pytest.mark.slow
def test_what_fails_stops_no_other(tmp_path: Path, base: list[str]) -> None:
    """One combination is invalid, one run diverges, one is another process's."""
    wild = ["norm=none", "model.activation=relu", "model.n_layers=3"]
    lock = study(tmp_path) / "taken"
    args = [*base, *wild, "init.gain=1,1e9,-1", "seed=1,2"]
    done = typed(*args)
    assert done.returncode == 1
    invalid = [line for line in done.stderr.splitlines() if "init.gain" in line]
    assert len(invalid) == len(done.stderr.splitlines()) == 2
    assert "init.gain: -1 is not a gain" in invalid[0]
    assert "2 done, 2 diverged, 2 invalid  (6 jobs" in done.stdout
    failed = json.loads((study(tmp_path) / "failures.json").read_text())
    assert [one["status"] for one in failed] == ["diverged"] * 2 + ["invalid"] * 2
    assert [one["job"] for one in failed] == [2, 3, 4, 5]
    assert "init.gain=1000000000.0" in failed[0]["overrides"]
    assert "at step 0: the first value that is not finite" in failed[0]["why"]
    assert Path(failed[0]["folder"]).is_dir()
    assert failed[2]["folder"] is None
    assert len(folders(tmp_path)) == 4
    assert not lock.exists()
    good = typed(*base, *wild, "init.gain=1", "seed=1,2")
    assert good.returncode == 0
    assert not (study(tmp_path) / "failures.json").exists()


@pytest.mark.slow
def test_a_run_that_another_process_trains(tmp_path: Path, base: list[str]) -> None:
    assert typed(*base, "seed=1", "hydra/launcher=packed_inline").returncode == 0
    (folder,) = folders(tmp_path)
    (folder / "result.json").unlink()
    lock = Lock(folder / ".lock")
    assert lock.take()
    done = typed(*base, "seed=1,2")
    lock.release()
    assert done.returncode == 1
    (failed,) = json.loads((study(tmp_path) / "failures.json").read_text())
    assert "another process is training this run" in failed["why"]
    assert len(list(study(tmp_path).glob("*/result.json"))) == 1


def test_a_second_start_is_refused(tmp_path: Path, base: list[str]) -> None:
    study(tmp_path).mkdir(parents=True)
    lock = Lock(study(tmp_path) / ".sweep.lock")
    assert lock.take()
    done = typed(*base, "seed=1,2")
    lock.release()
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "another sweep is under way in this study" in done.stderr
    assert not folders(tmp_path)


@pytest.mark.slow
def test_paired_keys(tmp_path: Path, base: list[str]) -> None:
    pair = "hydra.sweeper.zip=[[seed,optimizer.lr]]"
    done = typed(*base, "seed=1,2", "optimizer.lr=0.1,0.2", pair, "hydra/launcher=packed_inline")
    assert done.returncode == 0
    found = {(c.seed, c.optimizer.lr) for c in map(config_in, folders(tmp_path))}
    assert found == {(1, 0.1), (2, 0.2)}
    wrong = typed(*base, "seed=1,2", "optimizer.lr=0.1", pair)
    assert wrong.returncode == 2
    assert wrong.stderr == (
        "ninja: hydra.sweeper.zip: seed has 2, optimizer.lr has 1 values, give them equally many\n"
    )


@pytest.mark.slow
def test_several_presets_with_sweeps_of_their_own(tmp_path: Path, base: list[str]) -> None:
    few = [one for one in base if not one.startswith("study=")]
    done = typed(
        *few,
        *("experiment=gradient_health,lecture_deep", "seed=5", "norm=batchnorm", "init.gain=1,2"),
        *("norm.output=false", "model=lecture", "model.n_layers=2", "hydra/launcher=packed_inline"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    health = list(map(config_in, folders(tmp_path, "gradient_health")))
    deep = list(map(config_in, folders(tmp_path, "lecture_deep")))
    assert sorted((c.init.gain, c.backward) for c in health) == [
        *((1, "autograd"), (1, "manual_fused"), (2, "autograd"), (2, "manual_fused")),
    ]
    assert sorted(str(c.init.gain) for c in deep) == ["1", "2"]


def test_the_same_run_twice_is_trained_once(tmp_path: Path, base: list[str]) -> None:
    done = typed(
        *base, "seed=1", "init.gain=5/3,1.6666666666666667", "hydra/launcher=packed_inline"
    )
    assert done.returncode == 0
    assert "2 done  (2 jobs" in done.stdout
    assert len(folders(tmp_path)) == 1


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("hydra.launcher.workers=0", "hydra.launcher.workers: 0 is out of range"),
        ("hydra.launcher.address=tcp://x:1", "hydra.launcher.address: 'local' has no cluster"),
        ("hydra.launcher.nosuch=1", "hydra.launcher.nosuch"),
        ("seed=interval(0,1)", "an interval has no list of values"),
        ("--cfg=job", "--multirun and --cfg: give one of them"),
    ],
)
def test_bad_input(base: list[str], override: str, said: str) -> None:
    done = typed(*base, override)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["packed", "packed_inline", "packed_dask"])
def test_a_signal_is_a_clean_stop(tmp_path: Path, base: list[str], launcher: str) -> None:
    """The workers save what they are at, and the same command goes on from there."""
    args = [*base, "steps=3000", "checkpoint.every=0", "seed=1,2,3", f"hydra/launcher={launcher}"]
    sweep = subprocess.Popen(
        [sys.executable, str(RUN), "-m", *args],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while not list(study(tmp_path).glob("*/metrics.jsonl")):
        assert time.monotonic() < until
        time.sleep(0.02)
    time.sleep(0.3)
    os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does
    _, err = sweep.communicate(timeout=60)
    assert sweep.returncode == 128 + signal.SIGINT
    assert err == "ninja: interrupted; the same command goes on\n"
    assert not list(study(tmp_path).glob("*/result.json"))
    assert len(list(study(tmp_path).glob("*/checkpoint.pt"))) == 3
    assert typed(*args).returncode == 0
    assert_as_alone(folders(tmp_path), tmp_path / "alone")


LAUNCHERS = [
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("basic", "joblib", "submitit_local", "packed_dask")
    ),
    pytest.param("submitit_slurm", marks=SLURM),
]


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_launcher_trains_the_same(
    tmp_path: Path, base: list[str], launcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(RUN.parent))  # for the nodes
    done = typed(*base, "seed=1,2,3", f"hydra/launcher={launcher}")
    assert done.returncode == 0, done.stderr
    found = folders(tmp_path)
    assert len(found) == 3
    assert_as_alone(found, tmp_path / "alone")


@pytest.mark.slow
def test_optuna_proposes_stacks(tmp_path: Path, base: list[str]) -> None:
    done = typed(
        *base,
        *("hydra/sweeper=optuna", "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=3"),
        *("hydra.sweeper.sampler.seed=1", "optimizer.lr=interval(0.01,0.5)"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("3 jobs, 3 to train") == 2
    losses = {folder.name: result.read(folder) for folder in folders(tmp_path)}
    best = min(found.losses["validation"] for found in losses.values() if found is not None)
    written = (study(tmp_path) / "optimization_results.yaml").read_text()
    assert f"best_value: {best}" in written


def _train_and_kill(args: Sequence[str], seconds: float, worker: bool) -> int:
    """Start a sweep, and kill it or one of its workers after a while; its exit code."""
    sweep = subprocess.Popen(
        [sys.executable, str(RUN), "-m", *args],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    if worker:
        for pid in _workers(sweep.pid):
            os.kill(pid, signal.SIGKILL)
            break
        return sweep.wait(timeout=120)
    sweep.kill()
    sweep.wait()
    return 0


def _workers(parent: int) -> list[int]:
    """Children of the fork server, which is a child of the sweep."""
    of: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        of.setdefault(int(fields[1]), []).append(int(path.parent.name))
    return [grandchild for child in of.get(parent, []) for grandchild in of.get(child, [])]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("worker", [False, True])
def test_kill_9_at_random_moments(tmp_path: Path, base: list[str], worker: bool) -> None:
    """Nothing that is finished is lost or trained again, and the rest ends with the same bits."""
    draw = random.Random(5 + worker)
    args = [*base, "steps=1500", "seed=1,2,3,4,5,6,7,8", "hydra.launcher.stack=2"]
    done: dict[str, int] = {}
    for _ in range(6 if worker else 20):  # a start whose worker dies trains everything anew
        code = _train_and_kill(args, draw.uniform(0.5, 4.5), worker)
        assert code == 0
        for path in study(tmp_path).glob("*/result.json"):
            stamp = done.setdefault(path.parent.name, path.stat().st_mtime_ns)
            assert path.stat().st_mtime_ns == stamp
        if worker and len(done) == 8:  # every start ends whole: the next one must train again
            assert_as_alone([study(tmp_path) / name for name in list(done)[:2]], tmp_path / "alone")
            for name in done:
                (study(tmp_path) / name / "result.json").unlink()
                for state in (study(tmp_path) / name).glob("checkpoint*"):
                    state.unlink()
            done.clear()
    last = typed(*args)
    assert last.returncode == 0
    assert len(folders(tmp_path)) == 8
    assert_as_alone(folders(tmp_path), tmp_path / "alone")


@pytest.mark.slow
def test_the_grid_that_is_timed(tmp_path: Path) -> None:
    """All its shapes and sizes, with fewer steps."""
    few = ["steps=100", "tracker=disabled", f"output={tmp_path}/outputs"]
    for backward in ("manual_fused", "autograd"):
        assert typed("experiment=speed", f"backward={backward}", *few).returncode == 0
    found = folders(tmp_path, "speed")
    assert len(found) == 2 * 96
    assert_as_typed_alone(one_of_each(found, "backward"), tmp_path / "alone")
    chosen = one_of_each(found, "init.gain", "optimizer.lr")
    assert len(chosen) == 16
    assert_as_alone(chosen, tmp_path / "again")


def small_files() -> None:
    """As a full disk: the system takes a part of a file, and then nothing."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))


LARGEST = 100_000
"""Bytes of a file: a run of 60 steps fits, one of 3,000 does not."""


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["packed", "packed_dask"])
def test_a_full_disk_and_gone_on(tmp_path: Path, base: list[str], launcher: str) -> None:
    args = [*base, "steps=60,3000", "seed=1,2,3", f"hydra/launcher={launcher}"]
    full = subprocess.run(
        [sys.executable, str(RUN), "-m", *args],
        capture_output=True,
        text=True,
        preexec_fn=small_files,
    )
    assert full.returncode == 1, full.stderr
    assert "3 done, 3 failed  (6 jobs" in full.stdout
    failed = json.loads((study(tmp_path) / "failures.json").read_text())
    assert [one["status"] for one in failed] == ["failed"] * 3
    assert all("File too large: free some room" in one["why"] for one in failed)
    done = {path: path.stat().st_mtime_ns for path in study(tmp_path).glob("*/result.json")}
    assert len(done) == 3
    begun = {path.parent for path in study(tmp_path).glob("*/checkpoint.pt")}
    assert len(begun) == 6
    again = typed(*args)
    assert again.returncode == 0, again.stderr
    assert "6 jobs, 3 done before, 3 to train" in again.stdout
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in done.items())
    assert_as_alone(folders(tmp_path), tmp_path / "alone")
