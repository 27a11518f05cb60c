"""Processes that help: the same tables, none for a few runs, and a line when one is killed."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest

import analysis
from analysis import tables
from analysis.workers import PARALLEL, workers
from ninja.errors import RunError
from tests.analysis import made


@pytest.mark.parametrize(("count", "runs"), [(1, PARALLEL), (8, PARALLEL - 1)])
def test_a_few_runs_need_none(count: int, runs: int) -> None:
    with workers(count, runs) as pool:
        assert pool is None


@pytest.mark.slow
def test_they_read_what_one_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        made.run(tmp_path / "study" / name, seed=ord(name))
    (tmp_path / "study" / "b" / "result.json").write_text("{")
    alone = analysis.read(tmp_path)
    monkeypatch.setattr(tables, "PARALLEL", 2)
    with workers(2, PARALLEL) as pool:
        together = analysis.read(tmp_path, pool=pool)
    for name in ("runs", "steps", "layers", "findings"):
        pd.testing.assert_frame_equal(getattr(alone, name), getattr(together, name))
    assert len(together.skipped) == 1
    assert together.skipped == alone.skipped


def kill_one() -> None:
    with workers(2, PARALLEL) as pool:
        assert pool is not None
        one = pool.submit(os.getpid).result()
        pool.submit(os.kill, one, signal.SIGKILL).result()


@pytest.mark.slow
def test_one_that_is_killed_is_a_line() -> None:
    with pytest.raises(RunError, match="was killed: is there enough memory"):
        kill_one()
