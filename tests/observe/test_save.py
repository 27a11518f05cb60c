"""Specification of a watched training on disk."""

import errno
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ninja import records, result
from ninja.cli import main
from ninja.folders import MARKS, diagnosed
from tests.observe.trainings import seen, trained, watched


def test_the_record_is_that_of_a_run(tmp_path: Path) -> None:
    health = watched("plain", 14, 1)
    folder = health.save(str(tmp_path / "runs" / "mine"))
    assert folder == tmp_path / "runs" / "mine"
    for row, same in zip(records.rows(folder), health.rows(), strict=True):
        assert row.keys() == same.keys()
        assert [dict(of) for of in row["layers"]] == [dict(of) for of in same["layers"]]
    steps = pd.read_parquet(folder / "steps.parquet")
    assert steps["step"].tolist() == list(range(14))
    assert steps["loss"].notna().all()
    layers = pd.read_parquet(folder / "layers.parquet")
    assert set(layers["rule"]) == {"linear", "tanh"}
    assert layers.loc[layers["tensor"] == "weight", "update_ratio"].notna().all()
    found = result.read(folder)
    assert found is not None
    assert (found.status, found.steps, found.classes, found.config) == ("watched", 14, 3, {})
    assert found.seconds > 0
    assert found.verdict == diagnosed(folder).verdict


@pytest.mark.parametrize(
    "kind", ["by_hand", "ladder", "mixed", "compiled", "reloaded", "convolution"]
)
def test_so_is_that_of_any_other(kind: str, tmp_path: Path) -> None:
    health = watched(kind)
    folder = health.save(tmp_path)
    assert len(list(records.rows(folder))) == len(health.rows())
    kinds = [of.kind for of in health.findings()]
    assert [of.kind for of in diagnosed(folder).findings] == kinds


def test_the_command_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    health = watched("plain", 60, 10)
    health.save(tmp_path / "mine")
    assert main(["diagnose", str(tmp_path / "mine"), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["findings"] == []
    assert main(["diagnose", str(tmp_path), "--explain"]) == 0
    assert "0 … 1" in capsys.readouterr().out


def test_what_no_watched_training_can_tell_is_not_held_against_it(tmp_path: Path) -> None:
    health = watched("plain", 60, 10)
    found = result.read(health.save(tmp_path))
    assert found is not None
    assert found.verdict == diagnosed(tmp_path).verdict == health.verdict() == "healthy"


def test_again_and_again_while_it_lasts(tmp_path: Path) -> None:
    with seen("plain") as (training, health):
        for number in range(1, 4):
            trained(training, 4, health)
            health.save(tmp_path)
            assert len(list(records.rows(tmp_path))) == 4 * number


def test_an_empty_one(tmp_path: Path) -> None:
    with seen("plain") as (_, health):
        health.save(tmp_path)
    assert list(records.rows(tmp_path)) == []
    assert pd.read_parquet(tmp_path / "steps.parquet").empty
    assert diagnosed(tmp_path).verdict == "unknown"


def test_no_other_run_is_written_over(tmp_path: Path) -> None:
    health = watched("plain")
    health.save(tmp_path)
    path = tmp_path / result.RESULT
    plain = json.loads(path.read_text())
    losses = dict.fromkeys(result.LOSSES, 1.0)
    path.write_text(json.dumps({**plain, "status": "done", "losses": losses, "run_id": "abc"}))
    with pytest.raises(ValueError, match=r"^folder: .* holds the run abc, give another one$"):
        health.save(tmp_path)
    path.write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        health.save(tmp_path)


@pytest.mark.parametrize("mark", MARKS[1:])
def test_nor_one_that_has_not_ended(mark: str, tmp_path: Path) -> None:
    (tmp_path / mark).write_text("mine")
    with pytest.raises(ValueError, match=r"^folder: .* holds an unfinished run, give another one$"):
        watched("plain").save(tmp_path)
    assert [(of.name, of.read_text()) for of in tmp_path.iterdir()] == [(mark, "mine")]


def test_but_what_it_has_not_finished_itself(tmp_path: Path) -> None:
    health = watched("plain")
    health.save(tmp_path)
    (tmp_path / result.RESULT).unlink()
    health.save(tmp_path)
    assert len(list(records.rows(tmp_path))) == len(health.rows())
    assert diagnosed(tmp_path).findings == []


def test_a_record_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with seen("plain") as (training, health):
        trained(training, 4, health)
        health.save(tmp_path)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        trained(training, 4, health)
        append = records.Record.append

        def full(self: records.Record, row: dict[str, Any]) -> None:
            if row.get("step") == 5:
                raise OSError(errno.ENOSPC, "No space left on device")
            append(self, row)

        monkeypatch.setattr(records.Record, "append", full)
        with pytest.raises(OSError, match="No space left"):
            health.save(tmp_path)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
        monkeypatch.undo()
        health.save(tmp_path)
    assert len(list(records.rows(tmp_path))) == 8


@pytest.mark.parametrize("folder", ["", "\0"])
def test_a_folder_without_a_name(folder: str) -> None:
    with pytest.raises(ValueError, match=r"^folder: .* is no path, give the path of a folder$"):
        watched("plain").save(folder)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        watched("plain").save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
