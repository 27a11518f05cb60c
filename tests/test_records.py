"""The record: what is written stays, what is torn is left out, what is damaged is named."""

from pathlib import Path

import pandas as pd
import pytest

from ninja import durable
from ninja.errors import RecordError
from ninja.records import LAYERS, LINES, STEPS, Record, finish, rows
from tests.faults import fault_of

LAYER = {"layer": 0, "node": "00.tanh", "rule": "tanh", "tensor": "y", "act_mean": float("nan")}


def write(folder: Path, steps: range) -> int:
    with Record(folder) as record:
        for step in steps:
            record.append({"step": step, "loss": step / 3, "layers": [LAYER]})
        return record.synchronise()


def test_what_was_appended_can_be_read_at_once(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        record.append({"step": 0, "loss": 0.1})
        assert list(rows(tmp_path)) == [{"step": 0, "loss": 0.1}]


@pytest.mark.parametrize("torn", [b"{", b'{"step": 3, "loss": 0.', b"\xff\xfe", b""])
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: bytes) -> None:
    write(tmp_path, range(3))
    with (tmp_path / LINES).open("ab") as file:
        file.write(torn)
    assert [row["step"] for row in rows(tmp_path)] == [0, 1, 2]


def test_it_is_cut_back_to_what_the_checkpoint_knows(tmp_path: Path) -> None:
    size = write(tmp_path, range(3))
    with Record(tmp_path, size) as record:
        record.append({"step": 3})
        record.append({"step": 4})
    with Record(tmp_path, size) as record:
        record.append({"step": 30})
    assert [row["step"] for row in rows(tmp_path)] == [0, 1, 2, 30]


def test_a_record_shorter_than_its_checkpoint_is_refused(tmp_path: Path) -> None:
    size = write(tmp_path, range(3))
    message = fault_of(lambda: Record(tmp_path, size + 1), RecordError)
    assert "metrics.jsonl" in message
    assert "remove the run's folder" in message


@pytest.mark.parametrize("damage", [b"[1]\n", b"{}\n", b"not json\n", b"\n"])
def test_a_damaged_line_is_named(tmp_path: Path, damage: bytes) -> None:
    write(tmp_path, range(2))
    path = tmp_path / LINES
    path.write_bytes(damage + path.read_bytes())
    assert "line 1: damaged" in fault_of(lambda: list(rows(tmp_path)), RecordError)


def test_no_record_at_all(tmp_path: Path) -> None:
    assert "cannot be read" in fault_of(lambda: list(rows(tmp_path)), RecordError)


def test_tables(tmp_path: Path) -> None:
    write(tmp_path, range(5))
    finish(tmp_path)
    steps, layers = (pd.read_parquet(tmp_path / name) for name in (STEPS, LAYERS))
    assert list(steps["step"]) == list(layers["step"]) == [0, 1, 2, 3, 4]
    assert list(steps["loss"]) == [step / 3 for step in range(5)]
    assert set(layers.columns) == {"step", *LAYER}
    assert layers["act_mean"].isna().all()
    assert "layers" not in steps


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.json"
    durable.write(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        durable.write(path, b"new")
    assert path.read_bytes() == b"old"
