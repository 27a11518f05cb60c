"""What is printed of a sweep, and what its log keeps."""

import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ninja.sweep.board import SECONDS, Board
from ninja.sweep.jobs import Message
from ninja.sweep.progress import Progress
from tests.sweep.test_progress import jobs


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def board(log: Path | None, clock: Clock, finished: int = 0) -> Board:
    return Board(Progress.of(jobs(4), finished), log, Console(file=StringIO(), width=100), clock)


def lines(log: Path) -> list[str]:
    return [line.partition(" ")[2] for line in log.read_text().splitlines()]


def test_lines_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, log = Clock(), tmp_path / "sweep.log"
    with board(log, clock, finished=1) as one:
        one.say("4 jobs")
        for job in range(2):
            one.hear(0, {"do": "held", "job": job, "steps": 0})
        one.hear(0, {"do": "made", "steps": 2})
        clock.now = SECONDS
        one.hear(0, {"do": "made", "steps": 100})
        clock.now += 1
        one.hear(0, {"do": "made", "steps": 20})  # too soon for a line
        diverged: Message = {"do": "ended", "job": 1, "status": "diverged", "why": "at step 3"}
        one.hear(0, diverged)
        one.hear(0, {"do": "warn", "job": 0, "line": "damaged"})
        one.hear(0, {"do": "lost", "line": "its process was ended by SIGKILL"})
    expected = [
        "4 jobs",
        "1/5 runs done, 2 running  20 model-steps/s  0:00:15 left",
        "job 1 diverged: at step 3",
        "warning: job 0: damaged",
        "warning: its process was ended by SIGKILL: its stack is started again",
    ]
    assert capsys.readouterr().out.splitlines() == expected
    assert lines(log)[:-1] == expected
    assert lines(log)[-1].startswith("1/5 runs done, 1 diverged")
    stamps = [line.partition(" ")[0] for line in log.read_text().splitlines()]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", stamp) for stamp in stamps)


def test_a_log_that_cannot_be_written_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with board(tmp_path, Clock()) as one:  # a folder
        one.say("first")
        one.say("second")
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"warning: {str(tmp_path)!r}: ")
    assert [line for line in out if "no log from here on" in line] == out[:1]
    assert out[1:] == ["first", "second"]


@pytest.mark.parametrize("width", [30, 60, 100, 200])
def test_the_drawing_is_never_wider_than_the_terminal(width: int) -> None:
    clock = Clock()
    one = board(None, clock)
    one.hear(0, {"do": "held", "job": 0, "steps": 0})
    clock.now = 1.0
    one.hear(0, {"do": "made", "steps": 50})
    console = Console(file=StringIO(), width=width, force_terminal=True)
    console.print(one)
    drawn = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", drawn).rstrip("\n")
    assert len(plain) <= width
    assert "\n" not in plain
    assert plain.strip().startswith(("0/4 runs", "━"))
