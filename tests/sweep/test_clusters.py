"""Real sweeps on real clusters, whose workers are killed, and which are killed themselves."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sweep.alone import RUN, assert_as_alone
from tests.sweep.clusters import CLUSTERS, dask_cluster, until
from tests.sweep.test_sweep import SHORT, folders, study, typed
from tests.test_fit_together import WORDS

KILLS = {"dask": 20, "ray": 3, "slurm": 3}


@pytest.fixture
def base(tmp_path: Path) -> list[str]:
    (tmp_path / "words.txt").write_text(WORDS)
    return [*SHORT, f"data.path={tmp_path}/words.txt", f"output={tmp_path}/outputs", "study=s"]


def trainers(tmp_path: Path) -> list[int]:
    """Processes that are in a run, whatever has started them: those that hold its lock."""
    runs = {f":{path.stat().st_ino}" for path in study(tmp_path).glob("*/.lock")}
    found: set[int] = set()
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and any(fields[5].endswith(run) for run in runs):
            found.add(int(fields[4]))
    return sorted(found)


def finished(tmp_path: Path) -> dict[str, int]:
    """When each run's result was written."""
    return {
        path.parent.name: path.stat().st_mtime_ns for path in study(tmp_path).glob("*/result.json")
    }


@contextmanager
def started(args: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A sweep, which ends with the block."""
    command = [sys.executable, str(RUN), "-m", *args]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as sweep:
        try:
            yield sweep
        finally:
            sweep.kill()


@pytest.mark.parametrize("name", CLUSTERS)
def test_kill_9_of_workers_at_random_moments(tmp_path: Path, base: list[str], name: str) -> None:
    """No result is lost or made twice; each ends as if nothing had been, and all is told.

    Dask may have given another stack to a worker that is just then killed; it is told as well.
    """
    draw = random.Random(11)
    args = [*base, "steps=1500", f"hydra/launcher=packed_{name}"]
    args += ["hydra.launcher.workers=2", "hydra.launcher.stack=2", "hydra.launcher.retries=20"]
    done: dict[str, int] = {}
    killed: set[int] = set()
    told = seeds = 0
    while len(killed) < KILLS[name]:  # one sweep, if none of them is faster than that
        with started([*args, f"seed=range({seeds},{seeds + 6})"]) as sweep:
            while sweep.poll() is None and len(killed) < KILLS[name]:
                time.sleep(draw.uniform(0, 1))
                if there := set(trainers(tmp_path)) - killed:
                    one = draw.choice(sorted(there))
                    os.kill(one, signal.SIGKILL)
                    killed.add(one)
                now = finished(tmp_path)
                assert done.items() <= now.items()
                done = now
            out, _ = sweep.communicate()
        assert sweep.returncode == 0, out
        assert "6 done  (6 jobs" in out
        told += out.count("its stack is started again")
        seeds += 6
    assert len(killed) <= told <= len(killed) * (2 if name == "dask" else 1)
    assert done.items() <= finished(tmp_path).items()
    assert len(folders(tmp_path)) == seeds
    assert_as_alone(draw.sample(folders(tmp_path), 2), tmp_path / "alone")


@pytest.fixture(params=[*CLUSTERS, pytest.param("existing", marks=pytest.mark.slow)])
def launcher(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """The overrides that choose a cluster."""
    if request.param != "existing":
        yield [f"hydra/launcher=packed_{request.param}"]
        return
    with dask_cluster(tmp_path) as address:
        yield ["hydra/launcher=packed_dask", f"hydra.launcher.address={address}"]


def test_a_killed_sweep_goes_on(tmp_path: Path, base: list[str], launcher: list[str]) -> None:
    """Whatever its workers are still at: nothing is trained by two, and none is in the way."""
    draw = random.Random(12)
    args = [*base, "steps=1500", "seed=1,2,3,4", *launcher]
    args += ["hydra.launcher.workers=2", "hydra.launcher.stack=2"]
    done: dict[str, int] = {}
    for _ in range(2):
        with started(args) as sweep:
            until(lambda: sweep.poll() is not None or bool(trainers(tmp_path)))
            time.sleep(draw.uniform(0, 1.5))
        now = finished(tmp_path)
        assert done.items() <= now.items()
        done = now
    last = typed(*args)
    assert last.returncode == 0, last.stdout + last.stderr
    assert last.stderr == ""
    assert done.items() <= finished(tmp_path).items()
    assert len(folders(tmp_path)) == 4
    assert_as_alone(folders(tmp_path)[:2], tmp_path / "alone")
