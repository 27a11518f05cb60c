"""Runs on disk as tables."""

import errno
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

import analysis
from analysis import cache, tables
from ninja import records, result
from ninja.errors import RecordError
from tests.analysis import made
from tests.analysis.made import Shape

ROOT = Path(__file__).parents[2]


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Two studies: one of three runs, healthy, vanishing and diverged, one that is unfinished."""
    made.run(tmp_path / "study" / "healthy", seed=1)
    made.run(tmp_path / "study" / "vanishing", growth=0.01, seed=2)
    made.run(tmp_path / "study" / "diverged", diverged=True, config={"init": {"gain": "5/3"}})
    made.run(tmp_path / "other" / "begun", Shape(hidden=2), finished=False)
    return tmp_path


def test_every_run_is_there_with_what_it_ended_with(outputs: Path) -> None:
    runs, steps, layers = analysis.load(outputs)
    found = runs.set_index("run")
    assert list(found.index) == [
        "other/begun",
        "study/diverged",
        "study/healthy",
        "study/vanishing",
    ]
    assert list(found["status"]) == ["unfinished", "diverged", "done", "done"]
    assert found.loc["study/healthy", "verdict"].startswith("healthy")
    assert found.loc["study/vanishing", "finding"] == "vanishing"
    assert found.loc["study/vanishing", "fix"] == "norm=batchnorm"
    assert list(found["healthy"]) == [True, False, True, False]
    assert found.loc["study/diverged", "diverged_at"] == "01.linear.y"
    assert list(found["loss_validation"].isna()) == [True, True, False, False]
    assert found.loc["study/diverged", "gain"] == pytest.approx(5 / 3)
    assert set(steps["run"].cat.categories) == set(layers["run"].cat.categories) == set(found.index)


def test_the_tables_are_what_the_run_wrote(outputs: Path) -> None:
    _, steps, layers = analysis.load(outputs / "study" / "healthy")
    folder = outputs / "study" / "healthy"
    for table, file in ((steps, records.STEPS), (layers, records.LAYERS)):
        written = pd.read_parquet(folder / file)
        seen = table[list(written.columns)]
        assert_frame_equal(seen, written, check_dtype=False, check_categorical=False, rtol=1e-6)
    assert dict(layers.dtypes.astype(str))["delta_rms"] == "float32"


def test_an_unfinished_run_is_read_from_its_lines(outputs: Path) -> None:
    _, steps, layers = analysis.load(outputs / "other")
    rows = list(records.rows(outputs / "other" / "begun"))
    assert list(steps["loss"]) == [row["loss"] for row in rows]
    flat = [layer for row in rows for layer in row["layers"]]
    assert list(layers["node"]) == [layer["node"] for layer in flat]
    told = [layer.get("delta_rms", np.nan) for layer in flat]
    np.testing.assert_allclose(layers["delta_rms"], told, rtol=1e-6)


def test_findings_are_rows(outputs: Path) -> None:
    found = analysis.read(outputs).findings
    first = found[found["run"] == "study/vanishing"].iloc[0]
    assert (first["rank"], first["kind"], first["severity"]) == (0, "vanishing", "sick")


@pytest.mark.parametrize("name", [result.RESULT, records.LAYERS])
def test_a_damaged_run_is_named_and_the_others_are_read(outputs: Path, name: str) -> None:
    (outputs / "study" / "healthy" / name).write_bytes(b"PAR1 not really, as you see PAR1")
    found = analysis.read(outputs)
    assert len(found.runs) == 3
    (line,) = found.skipped
    assert str(outputs / "study" / "healthy") in line
    with pytest.warns(UserWarning, match="healthy"):
        analysis.load(outputs)


def test_only_damaged_runs_give_empty_tables(outputs: Path) -> None:
    (outputs / "study" / "healthy" / result.RESULT).write_text("{")
    found = analysis.read(outputs / "study" / "healthy")
    assert len(found.skipped) == 1
    assert found.runs.empty
    assert "verdict" in found.runs
    assert found.steps.empty
    assert found.layers.empty


def test_a_place_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no run lies here"):
        analysis.load(tmp_path)
    with pytest.raises(RecordError, match="no such folder"):
        analysis.load(tmp_path / "nothing")


def test_a_folder_given_twice_is_read_once(outputs: Path) -> None:
    assert len(analysis.load(outputs, outputs / "study").runs) == 4


@pytest.mark.parametrize("looks", [1, 2, 3, 5, 6, 100])
def test_looks_keep_the_first_and_the_last(outputs: Path, looks: int) -> None:
    layers = analysis.load(outputs / "study" / "healthy", looks=looks).layers
    steps = list(layers["step"].unique())
    assert len(steps) == min(looks, 6)
    assert steps[-1] == 50
    assert looks < 3 or steps[0] == 0


def frames(found: tables.Records) -> list[pd.DataFrame]:
    return [found.runs, found.steps, found.layers, found.findings]


def same(one: tables.Records, other: tables.Records) -> None:
    for this, that in zip(frames(one), frames(other)):
        assert_frame_equal(this, that)


def test_the_cache_gives_the_same_tables(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = analysis.read(outputs, looks=4)
    monkeypatch.setattr(tables, "read_run", None)  # nobody reads a run again
    same(analysis.read(outputs, looks=4), first)


def test_the_cache_of_another_number_of_looks_is_not_taken(outputs: Path) -> None:
    analysis.read(outputs, looks=2)
    assert analysis.read(outputs / "study", looks=4).layers["step"].nunique() == 4


def test_only_what_has_changed_is_read_again(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysis.read(outputs, looks=4)
    shutil.rmtree(outputs / "study" / "vanishing")
    made.run(outputs / "study" / "anew", growth=0.02, seed=5)
    begun = outputs / "other" / "begun"
    with records.Record(begun, (begun / records.LINES).stat().st_size) as file:
        file.append({"step": 60, "loss": 2.0, "lr": 0.1})
    read: list[str] = []
    real = tables.read_run
    monkeypatch.setattr(
        tables, "read_run", lambda folder, looks: read.append(folder.name) or real(folder, looks)
    )
    found = analysis.read(outputs, looks=4)
    assert read == ["begun", "anew"]
    for study in ("study", "other"):
        shutil.rmtree(outputs / study / cache.FOLDER)
    same(found, analysis.read(outputs, looks=4))


@pytest.mark.parametrize("file", [cache.INDEX, cache.LAYERS, cache.STEPS])
def test_a_damaged_cache_is_made_again(outputs: Path, file: str) -> None:
    first = analysis.read(outputs, looks=4)
    (outputs / "study" / cache.FOLDER / file).write_bytes(b"{}")
    same(analysis.read(outputs, looks=4), first)
    same(analysis.read(outputs, looks=4), first)


def test_a_study_that_cannot_be_written_to_is_read(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert len(analysis.read(outputs, looks=4).runs) == 4
    assert not (outputs / "study" / cache.FOLDER).exists()


def test_many_runs_are_read_side_by_side_as_one_by_one(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = analysis.read(outputs)
    monkeypatch.setattr(tables, "PARALLEL", 2)
    same(analysis.read(outputs), alone)


def test_a_key_that_is_a_number_here_and_a_fraction_there_is_text(outputs: Path) -> None:
    made.run(outputs / "study" / "number", config={"init": {"gain": 3.5}})
    places = [outputs / "study" / name for name in ("diverged", "number", "healthy")]
    runs = analysis.load(*places).runs
    assert list(runs["init.gain"]) == ["5/3", "5/3", "3.5"]
    assert list(runs["gain"]) == pytest.approx([5 / 3, 5 / 3, 3.5])


@pytest.mark.parametrize("name", ["runs", "steps", "layers", "findings"])
def test_what_was_read_can_be_changed(outputs: Path, name: str) -> None:
    table = getattr(analysis.read(outputs), name)
    for column in table.columns:
        table.loc[table.index[0], column] = table[column].iloc[-1]
    assert table.iloc[0].astype(str).equals(table.iloc[-1].astype(str))


def test_nothing_of_it_loads_torch(outputs: Path) -> None:
    code = (
        "import sys, analysis; analysis.load(sys.argv[1]); "
        "print([name for name in ('torch', 'wandb', 'hydra') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(outputs)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ,
    )
    assert done.stdout.strip() == "[]"


STRANGE = {
    "kind": "zzz",
    "severity": "sick",
    "layer": "",
    "step": 0,
    "evidence": [],
    "reason": "",
    "fix": "",
}
"""A finding of a class that nobody knows."""


def changed(folder: Path, file: str, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(folder / file)), folder / file)


def as_text(name: str) -> Callable[[pa.Table], pa.Table]:
    """A column of words in place of one of numbers."""

    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        return table.set_column(at, name, pa.array(["x"] * len(table)))

    return change


@pytest.mark.parametrize(
    ("file", "change"),
    [
        (records.STEPS, as_text("loss")),
        (records.STEPS, as_text("step")),
        (records.STEPS, lambda table: table.drop_columns(["step"])),
        (records.LAYERS, as_text("grad_norm")),
        (records.LAYERS, as_text("layer")),
        (records.LAYERS, lambda table: table.drop_columns(["node"])),
        (records.LAYERS, lambda table: table.drop_columns(["tensor"])),
    ],
    ids=["loss", "step", "no step", "grad_norm", "layer", "no node", "no tensor"],
)
def test_a_foreign_table_is_named_and_the_others_are_read(
    outputs: Path, file: str, change: Callable[[pa.Table], pa.Table]
) -> None:
    whole = analysis.read(outputs)
    wrong = next(Path(of) for of in whole.runs["folder"] if (Path(of) / file).exists())
    changed(wrong, file, change)
    found = analysis.read(outputs)
    assert len(found.runs) == len(whole.runs) - 1
    (said,) = found.skipped
    assert str(wrong) in said
    assert "its tables cannot be read" in said


@pytest.mark.parametrize(
    "wrong",
    [
        {"findings": [{"kind": "zzz"}]},
        {"findings": [STRANGE]},
        {"git_revision": "\ud800"},
        {"steps": 10**30},
        {"evidence": [{}]},
        {"evidence": [{"name": "gap", "when": "run", "value": "x"}]},
        {"evidence": [3]},
    ],
    ids=["finding", "class", "letters", "number", "no evidence", "a word", "no mapping"],
)
def test_a_result_that_no_table_holds_is_named(outputs: Path, wrong: dict[str, Any]) -> None:
    path = next(outputs.glob("*/*/result.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | wrong))
    (said,) = analysis.read(outputs).skipped
    assert str(path.parent) in said


def test_two_studies_of_one_name_are_two(outputs: Path, tmp_path: Path) -> None:
    whole = analysis.read(outputs)
    shutil.copytree(outputs, tmp_path / "again")
    both = analysis.read(outputs, tmp_path / "again")
    assert len(both.runs) == both.runs["run"].nunique() == 2 * len(whole.runs)
    assert both.runs["study"].nunique() == 2 * whole.runs["study"].nunique()
    assert set(both.steps["run"]) <= set(both.runs["run"])


def test_an_output_that_is_read_only_is_read(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(cache.durable, "write", refused)
    same(analysis.read(outputs, looks=9), analysis.read(outputs, looks=9))


def test_a_study_that_was_moved_is_read_where_it_lies(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept of it was read at another place, and typed in another way."""
    monkeypatch.chdir(outputs)
    analysis.read("study", looks=4)
    (outputs / "study").rename(outputs / "moved")
    found = analysis.read(outputs / "moved", looks=4)
    assert set(found.runs["study"]) == {"moved"}
    assert {Path(of).parent for of in found.runs["folder"]} == {outputs / "moved"}


def test_a_run_that_is_reached_in_several_ways_is_one(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(outputs)
    (outputs / "again").symlink_to("study")
    found = analysis.read(".", outputs / "study", "other/../study", "again")
    assert len(found.runs) == 4


def test_what_json_cannot_hold_is_the_same_the_second_time(outputs: Path) -> None:
    path = outputs / "study" / "healthy" / "result.json"
    plain = json.loads(path.read_text())
    plain["losses"]["validation"] = plain["config"]["optimizer"]["lr"] = math.inf
    path.write_text(json.dumps(plain))
    first = analysis.read(outputs, looks=4)
    assert math.inf in set(first.runs["loss_validation"])
    same(analysis.read(outputs, looks=4), first)


@pytest.mark.parametrize("file", [cache.INDEX, cache.LAYERS, cache.STEPS])
def test_any_byte_of_the_cache_may_be_damaged(outputs: Path, file: str) -> None:
    first = analysis.read(outputs, looks=4)
    path = outputs / "study" / cache.FOLDER / file
    whole = path.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 25)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x15]) + whole[at + 1 :])
        same(analysis.read(outputs, looks=4), first)


@pytest.mark.parametrize(
    "config",
    [
        {"init": None},
        {"init": [1]},
        {"healthy": "maybe", "first_step": "x", "run": None, "folder": "/etc", "loss_test": "x"},
    ],
)
def test_a_foreign_configuration_changes_nothing_of_ours(
    outputs: Path, config: dict[str, Any]
) -> None:
    whole = analysis.read(outputs / "study")
    path = outputs / "study" / "healthy" / "result.json"
    plain = json.loads(path.read_text())
    path.write_text(json.dumps(plain | {"config": plain["config"] | config}))
    found = analysis.read(outputs / "study")
    assert found.skipped == ()
    own = ["run", "folder", "healthy", "first_step", "loss_test"]
    assert_frame_equal(found.runs[own], whole.runs[own])


@pytest.mark.parametrize("looks", [0, -1, 2.5, "x", True])
def test_looks_are_a_number_of_steps(outputs: Path, looks: Any) -> None:
    with pytest.raises(ValueError, match=r"looks: .*, give a number of steps"):
        analysis.load(outputs, looks=looks)


def test_the_largest_gap_of_a_run_is_a_column(outputs: Path) -> None:
    runs, steps, _ = analysis.load(outputs)
    for row in runs.itertuples():
        assert row.gap == steps.loc[steps["run"] == row.run, "gap"].max() == 1e-7
