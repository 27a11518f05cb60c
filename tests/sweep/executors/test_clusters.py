"""Real clusters of this machine: Dask, Ray and Slurm train, lose a worker, and go on."""

import os
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from ninja.errors import ConfigError
from ninja.sweep.executors import Executor, executor
from ninja.sweep.executors.slurm import COMMANDS
from ninja.sweep.jobs import Message
from ninja.sweep.settings import Settings
from tests.sweep.clusters import CLUSTERS, dask_cluster, until
from tests.sweep.executors.works import job, obey

ROOT = Path(__file__).parents[3]
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
    lost, ended, heard = ran(cluster, tmp_path, ("die:1",), ())
    assert lost == [None, None]
    assert ended == [0, 1]
    assert (tmp_path / "0/attempt2").exists()
    ((place, said),) = [(at, m.get("line")) for at, m in heard if m["do"] == "lost"]
    assert place == 0
    assert said is not None
    assert said.isprintable()


@pytest.mark.parametrize("name", CLUSTERS)
def test_one_that_always_dies_is_given_up(tmp_path: Path, name: str) -> None:
    cluster = executor(Settings(name, workers=1, retries=1))  # pyright: ignore[reportArgumentType]
    lost, ended, _ = ran(cluster, tmp_path, ("die",), ())
    assert lost[0] is not None
    assert lost[0].isprintable()
    assert lost[0].endswith(", 2 times")
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


@pytest.mark.slow
def test_an_existing_dask_cluster_and_a_worker_killed_from_outside(tmp_path: Path) -> None:
    with dask_cluster(tmp_path) as address:
        cluster = executor(Settings("dask", workers=2, address=address))

        def kill() -> None:
            mark = tmp_path / "0/attempt1"
            until(lambda: mark.exists() and bool(mark.read_text()))
            os.kill(int(mark.read_text()), signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        lost, ended, heard = ran(cluster, tmp_path, ("sleep:1",), ())
        thread.join()
    assert lost == [None, None]
    assert ended == [0, 1]
    assert (tmp_path / "0/attempt2").exists()
    (said,) = [message.get("line") for _, message in heard if message["do"] == "lost"]
    assert said is not None
    assert said.startswith("Dask's worker tcp://")


def test_a_worker_of_an_existing_dask_cluster_that_dies_before_its_words_are_sent(
    tmp_path: Path,
) -> None:
    with dask_cluster(tmp_path) as address:
        cluster = executor(Settings("dask", workers=2, address=address))
        lost, ended, heard = ran(cluster, tmp_path, ("die:1",), ())
    assert lost == [None, None]
    assert ended == [0, 1]
    ((place, said),) = [(at, m.get("line")) for at, m in heard if m["do"] == "lost"]
    assert place == 0
    assert said is not None
    assert said.startswith("Dask's worker tcp://")


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


@pytest.mark.parametrize("missing", COMMANDS)
def test_a_machine_without_slurm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    slurm(tmp_path, monkeypatch, {})
    (tmp_path / missing).unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        executor(Settings("slurm"))
    assert f"needs Slurm's command {missing}, which is not here" in str(caught.value)


def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: dict[str, str]) -> None:
    """Put commands of these names before all others; those not given do nothing."""
    for name, body in (dict.fromkeys(COMMANDS, "exit 0") | programs).items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.slow
def test_a_scheduler_that_is_none() -> None:
    """Nobody is there; somebody is, and says nothing; what is typed is no address."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert_no_scheduler("tcp://127.0.0.1:9", f"tcp://127.0.0.1:{port}", "nonsense", "http://x")


def assert_no_scheduler(*addresses: str) -> None:
    for address in addresses:
        with pytest.raises(ConfigError) as caught:
            executor(Settings("dask", address=address))
        said = str(caught.value)
        assert said.startswith(f"hydra.launcher.address: no Dask scheduler at {address!r}")
        assert said.isprintable()


@pytest.mark.engines
def test_a_ray_cluster_that_is_none() -> None:
    for address in ("127.0.0.1:9", "auto", "nonsense"):
        with pytest.raises(ConfigError) as caught:
            executor(Settings("ray", address=address))
        said = str(caught.value)
        assert said.startswith(f"hydra.launcher.address: no Ray cluster at {address!r}")
        assert said.isprintable()


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        ({"squeue": "echo no controller >&2; exit 1"}, "does not answer (no "),
        ({"sbatch": "echo no such partition >&2; exit 1"}, "no such partition"),
    ],
)
def test_a_slurm_that_is_none(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    programs: dict[str, str],
    said: str,
) -> None:
    slurm(tmp_path, monkeypatch, programs)
    with pytest.raises(ConfigError) as caught:
        ran(executor(Settings("slurm")), tmp_path, ())
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert capfd.readouterr().err == ""
