"""Training goes first while there is any; what was let go is taken back when there is none."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninja.tracking.priority import NICE, Priority


@pytest.fixture
def session() -> Iterator[int]:
    """A process in a session of its own."""
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        if not Path("/proc/self/autogroup").exists():
            process.kill()
            pytest.skip("needs Linux with autogroups")
        yield process.pid
        process.kill()


def niceness(leader: int) -> int:
    return int(Path(f"/proc/{leader}/autogroup").read_text().split()[-1])


def test_what_is_let_go_is_taken_back(session: int) -> None:
    priority = Priority()
    priority.let_go(session)
    assert niceness(session) == NICE > 0
    priority.take_back()
    assert niceness(session) == 0


def test_nothing_is_let_go_after_training(session: int) -> None:
    """`wandb-core` may be ready only then."""
    priority = Priority()
    priority.take_back()
    priority.let_go(session)
    assert niceness(session) == 0


@pytest.mark.parametrize("leader", [2**22 + 1, -1])
def test_a_process_that_is_gone_is_no_fault(leader: int) -> None:
    priority = Priority()
    priority.let_go(leader)
    priority.take_back()
    with pytest.raises(FileNotFoundError):
        niceness(leader)
