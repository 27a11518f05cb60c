"""Real clusters of this machine: Dask, Ray and Slurm train, lose a worker, and go on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ninja.errors import ConfigError
from ninja.sweep.executors import Executor, executor
from ninja.sweep.jobs import Message
from ninja.sweep.settings import Settings
from tests.sweep.executors.works import job, obey

ROOT = Path(__file__).parents[3]
HAS_SLURM = (
    shutil.which("sinfo") is not None
    and not subprocess.run(["sinfo", "--noheader"], capture_output=True, check=False).returncode
)
CLUSTERS = [
    pytest.param("dask", marks=pytest.mark.slow),
    pytest.param("ray", marks=pytest.mark.engines),
    pytest.param(
        "slurm",
        marks=[
            pytest.mark.engines,
            pytest.mark.skipif(not HAS_SLURM, reason="no Slurm here: tests/slurm.sh starts one"),
        ],
    ),
]
pytestmark = pytest.mark.filterwarnings("ignore")  # of the engines' own


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers must find the work, which is a test's."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def ran(of: Executor, tmp_path: Path, *orders: tuple[str, ...]):
    heard: list[tuple[int, Message]] = []
    stacks = [[job(number, tmp_path, *own)] for number, own in enumerate(orders)]
    with of:
        lost = of.run(obey, stacks, lambda place, message: heard.append((place, message)))
    ended = sorted(message.get("job", -1) for _, message in heard if message["do"] == "ended")
    return lost, ended, heard


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_stack_is_trained(tmp_path: Path, name: str) -> None:
    cluster = executor(Settings(name, workers=2))  # pyright: ignore[reportArgumentType]
    assert cluster.workers == 2
    lost, ended, heard = ran(cluster, tmp_path, (), (), ())
    assert lost == [None] * 3
    assert ended == [0, 1, 2]
    assert all(place == message.get("job") for place, message in heard)
    assert str(os.getpid()) not in {(tmp_path / f"{n}/attempt1").read_text() for n in range(3)}


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_worker_that_is_killed_costs_one_attempt(tmp_path: Path, name: str) -> None:
    cluster = executor(Settings(name, workers=2))  # pyright: ignore[reportArgumentType]
    lost, ended, _ = ran(cluster, tmp_path, ("die:1",), ())
    assert lost == [None, None]
    assert ended == [0, 1]
    assert (tmp_path / "0/attempt2").exists()


@pytest.mark.parametrize("name", CLUSTERS)
def test_one_that_always_dies_is_given_up(tmp_path: Path, name: str) -> None:
    cluster = executor(Settings(name, workers=1, retries=1))  # pyright: ignore[reportArgumentType]
    lost, ended, _ = ran(cluster, tmp_path, ("die",), ())
    assert lost[0] is not None
    assert "\n" not in lost[0]
    assert lost[1] is None
    assert ended == [1]
    assert len(list((tmp_path / "0").glob("attempt*"))) == 2


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_fault_of_the_work_is_told(tmp_path: Path, name: str) -> None:
    cluster = executor(Settings(name, workers=1))  # pyright: ignore[reportArgumentType]
    lost, ended, _ = ran(cluster, tmp_path, ("raise",), ())
    assert lost[0] is not None
    assert "of two lines" in lost[0]
    assert "\n" not in lost[0]
    assert ended == [1]
    assert not (tmp_path / "0/attempt2").exists()


def until(said: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_an_existing_dask_cluster_and_a_worker_killed_from_outside(tmp_path: Path) -> None:
    place = tmp_path / "scheduler.json"
    cli = [sys.executable, "-m"]
    env = os.environ | {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "3"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": env}
    started = [
        subprocess.Popen(
            [
                *(*cli, "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"),
                *("--scheduler-file", str(place)),
            ],
            **quiet,
        )
    ]
    try:
        until(place.exists)
        worker = [*cli, "distributed.cli.dask_worker", "--scheduler-file", str(place)]
        started += [
            subprocess.Popen([*worker, "--nthreads", "1", "--no-dashboard"], **quiet)
            for _ in range(2)
        ]
        address = json.loads(place.read_text())["address"]
        cluster = executor(Settings("dask", workers=2, address=address))

        def kill() -> None:
            mark = tmp_path / "0/attempt1"
            until(lambda: mark.exists() and bool(mark.read_text()))
            os.kill(int(mark.read_text()), signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        lost, ended, _ = ran(cluster, tmp_path, ("sleep:1",), ())
        thread.join()
        assert lost == [None, None]
        assert ended == [0, 1]
        assert (tmp_path / "0/attempt2").exists()
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("name", "module"), [("dask", "distributed"), ("ray", "ray"), ("slurm", "submitit")]
)
def test_an_extra_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError) as caught:
        executor(Settings(name))  # pyright: ignore[reportArgumentType]
    assert str(caught.value) == (
        f"hydra/launcher: packed_{name} needs the extra {name!r}: "
        f"pip install 'gradient-ninja[{name}]'"
    )


def test_a_machine_without_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError) as caught:
        executor(Settings("slurm"))
    assert "needs Slurm's command sbatch, which is not here" in str(caught.value)


@pytest.mark.slow
def test_a_scheduler_that_is_not_there() -> None:
    with pytest.raises(ConfigError) as caught:
        executor(Settings("dask", address="tcp://127.0.0.1:9"))
    assert str(caught.value).startswith(
        "hydra.launcher.address: no Dask scheduler at 'tcp://127.0.0.1:9'"
    )
    assert "\n" not in str(caught.value)
