"""What did not come to a good end: a file for programs, a table for people."""

import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from ninja.sweep.failures import FILE, ROWS, failures, table, write
from ninja.sweep.jobs import Ended, Invalid
from tests.sweep.test_progress import jobs

GOOD, BAD, OPEN = jobs(3)
ENDED = [
    Ended(GOOD, "done", 2.0),
    Ended(BAD, "diverged", why="at step 3"),
    Ended(OPEN, "stopped", why="stopped before step 5"),
    Ended(Invalid(3, ("init.gain=-1",), "init.gain: -1 is not a gain"), "invalid", why="no gain"),
]


def shown(failed: list[Ended], width: int = 100) -> str:
    console = Console(file=StringIO(), width=width)
    names = {one.job.number: " ".join(one.job.overrides) for one in failed}
    console.print(table(failed, names))
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_all_that_is_not_done() -> None:
    assert failures(ENDED) == ENDED[1:]


def test_the_file(tmp_path: Path) -> None:
    write(tmp_path / "study", failures(ENDED))
    plain = json.loads((tmp_path / "study" / FILE).read_text())
    assert plain[0] == {
        "job": 1,
        "overrides": [],
        "folder": "1",
        "status": "diverged",
        "why": "at step 3",
    }
    assert plain[-1]["folder"] is None
    assert plain[-1]["overrides"] == ["init.gain=-1"]
    write(tmp_path / "study", [])
    assert not (tmp_path / "study" / FILE).exists()
    write(tmp_path / "study", [])


def test_the_table() -> None:
    text = shown(failures(ENDED))
    assert [line.split()[0] for line in text.splitlines()] == ["job", "1", "2", "3"]
    assert "init.gain=-1" in text
    assert "diverged" in text
    assert "at step 3" in text


def test_a_long_one_is_cut_and_a_wide_one_folds() -> None:
    many = [Ended(job, "failed", why="x" * 70) for job in jobs(ROWS + 5)]
    text = shown(many, width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert text.count("failed") == ROWS
