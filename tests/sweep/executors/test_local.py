"""Processes of this machine: what they say, what becomes of those that die, and of orphans."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ninja.sweep.executors.inline import Inline
from ninja.sweep.executors.local import Local
from ninja.sweep.jobs import Message
from tests.sweep.executors.works import job, obey

Heard = list[tuple[int, Message]]


def until(said: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """It is no more, or a zombie that nobody has taken leave of."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def ran(tmp_path: Path, *orders: tuple[str, ...], workers: int = 2, retries: int = 2):
    heard: Heard = []
    stacks = [[job(number, tmp_path, *own)] for number, own in enumerate(orders)]
    with Local(workers, retries) as local:
        lost = local.run(obey, stacks, lambda place, message: heard.append((place, message)))
    return lost, heard


def ended(heard: Heard) -> list[int]:
    return sorted(message.get("job", -1) for _, message in heard if message["do"] == "ended")


def test_every_stack_is_trained_and_heard(tmp_path: Path) -> None:
    lost, heard = ran(tmp_path, (), (), (), (), ())
    assert lost == [None] * 5
    assert ended(heard) == [0, 1, 2, 3, 4]
    assert all(place == message.get("job") for place, message in heard)
    pids = {(tmp_path / str(n) / "attempt1").read_text() for n in range(5)}
    assert len(pids) == 5
    assert str(os.getpid()) not in pids


def test_a_stack_whose_process_dies_is_started_again(tmp_path: Path) -> None:
    lost, heard = ran(tmp_path, ("die:2",), (), ("die:1",))
    assert lost == [None, None, None]
    assert ended(heard) == [0, 1, 2]
    told = [message.get("line") for place, message in heard if message["do"] == "lost"]
    assert told == ["its process was ended by SIGKILL"] * 3


def test_and_given_up_when_it_goes_on_dying(tmp_path: Path) -> None:
    lost, heard = ran(tmp_path, ("die",), (), retries=1)
    assert lost == ["its process was ended by SIGKILL, 2 times", None]
    assert ended(heard) == [1]


def test_a_fault_of_the_work_is_not_tried_again(tmp_path: Path) -> None:
    lost, heard = ran(tmp_path, ("raise",), ())
    assert lost == ["ValueError: a fault of two lines", None]
    assert ended(heard) == [1]
    assert not (tmp_path / "0" / "attempt2").exists()


SWEEP = """
import sys
from pathlib import Path
from ninja.sweep.executors.local import Local
from tests.sweep.executors.works import job, obey

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with Local(2, 2) as local:
        local.run(obey, [[job(n, folder, "wait")] for n in range(2)], lambda *said: None)
"""


def started(tmp_path: Path) -> tuple[subprocess.Popen[bytes], list[int]]:
    """A sweep in a process of its own, whose two workers are at work."""
    script = tmp_path / "sweep.py"
    script.write_text(SWEEP)
    root = str(Path(__file__).parents[3])
    sweep = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": root},
        stderr=subprocess.DEVNULL,
    )
    marks = [tmp_path / str(n) / "attempt1" for n in range(2)]
    until(lambda: all(mark.exists() and mark.read_text() for mark in marks))
    return sweep, [int(mark.read_text()) for mark in marks]


@pytest.mark.slow
def test_workers_end_with_a_sweep_that_is_killed(tmp_path: Path) -> None:
    sweep, pids = started(tmp_path)
    sweep.kill()
    sweep.wait()
    until(lambda: all(map(gone, pids)), seconds=5)
    assert not (tmp_path / "0" / "saved").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT])
def test_workers_save_when_a_sweep_is_interrupted(tmp_path: Path, number: int) -> None:
    sweep, pids = started(tmp_path)
    sweep.send_signal(number)
    sweep.wait(timeout=30)
    until(lambda: all(map(gone, pids)), seconds=5)
    assert all((tmp_path / str(n) / "saved").exists() for n in range(2))


def test_inline(tmp_path: Path) -> None:
    heard: Heard = []
    stacks = [[job(0, tmp_path), job(1, tmp_path)], [job(2, tmp_path)]]
    with Inline() as inline:
        lost = inline.run(obey, stacks, lambda place, message: heard.append((place, message)))
    assert lost == [None, None]
    assert [place for place, _ in heard] == [0, 0, 0, 0, 1, 1]
    assert (tmp_path / "2" / "attempt1").read_text() == str(os.getpid())
