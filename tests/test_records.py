"""The record: what is written stays, what is torn is left out, what is damaged is named."""

import io
import json
import math
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja import durable
from ninja.errors import RecordError
from ninja.records import (
    COLUMNS,
    LAYERS,
    LINES,
    STEP_COLUMNS,
    STEPS,
    Layers,
    Record,
    checked,
    finish,
    layers,
    rows,
)
from tests.faults import fault_of

LOOK = [
    (0, "00.embedding", "embedding", "C", "grad_norm"),
    (2, "02.tanh", "tanh", "y", "dead"),
    (0, "00.embedding", "embedding", "C", "weight_norm"),
    (0, "00.embedding", "embedding", "y", "delta_rms"),
    (2, "02.tanh", "tanh", "y", "act_mean"),
]
GAPS = [(0, "00.embedding", "embedding", "y", "gap"), (1, "01.linear", "linear", "y", "gap")]


def look(step: int) -> dict[str, Any]:
    layers = [step + part / 8 for part in range(5)]
    return {"step": step, "loss": step / 3, "lr": 0.1, "layers": layers}


def write(folder: Path, steps: range) -> int:
    with Record(folder) as record:
        record.place("layers", LOOK)
        for step in steps:
            record.append(look(step))
        return record.synchronise()


def test_what_was_appended_can_be_read_at_once(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        record.append({"step": 0, "loss": 0.1})
        assert list(rows(tmp_path)) == [{"step": 0, "loss": 0.1}]


# --- where the numbers belong --------------------------------------------------------------------


def test_numbers_are_read_back_where_they_belong(tmp_path: Path) -> None:
    """In depth order, a node's output first."""
    with Record(tmp_path) as record:
        record.place("layers", LOOK)
        record.place("gaps", GAPS)
        record.append({**look(7), "gaps": [0.25, 0.5]})
    (row,) = rows(tmp_path)
    assert (row["step"], row["loss"]) == (7, 7 / 3)
    assert "gaps" not in row
    embedding = {"layer": 0, "node": "00.embedding", "rule": "embedding"}
    assert row["layers"] == [
        {**embedding, "tensor": "y", "delta_rms": 7.375, "gap": 0.25},
        {**embedding, "tensor": "C", "grad_norm": 7.0, "weight_norm": 7.25},
        {"layer": 1, "node": "01.linear", "rule": "linear", "tensor": "y", "gap": 0.5},
        {"layer": 2, "node": "02.tanh", "rule": "tanh", "tensor": "y", "dead": 7.125}
        | {"act_mean": 7.5},
    ]


def test_a_row_has_the_lists_it_has(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        record.append({"step": 0, "loss": 3.0})
        record.place("gaps", GAPS)
        record.append({"step": 1, "gaps": [0.0, 0.0]})
        record.place("layers", LOOK)
        record.append(look(2))
        record.append({"step": 3, "loss": 2.0})
    found = list(rows(tmp_path))
    assert [len(row.get("layers", ())) for row in found] == [0, 2, 3, 0]
    assert "layers" not in found[0]
    assert "layers" not in found[3]


def test_places_are_said_once_and_known_to_the_writer(tmp_path: Path) -> None:
    write(tmp_path, range(50))
    lines = (tmp_path / LINES).read_text().splitlines()
    assert len(lines) == 51
    assert sum("02.tanh" in line for line in lines) == 1
    with Record(tmp_path) as record:
        assert record.places == {}
        record.place("layers", LOOK)
        assert record.places == {"layers": LOOK}


def test_the_layers_of_a_row_are_made_when_somebody_asks() -> None:
    row, broken = look(3), {"step": 3, "layers": [1.0]}
    made = Layers(row, {"layers": LOOK})
    assert list(made) == layers(row, {"layers": LOOK})
    assert len(made) == 3
    assert made[0]["tensor"] == "y"
    assert made[1:] == list(made)[1:]
    assert made[-1]["node"] == "02.tanh"
    unasked = Layers(broken, {"layers": LOOK})
    with pytest.raises(ValueError, match="shorter"):
        len(unasked)


def test_places_that_are_said_again_are_harmless(tmp_path: Path) -> None:
    """As after each resume, even if nothing was looked at in between."""
    size = write(tmp_path, range(2))
    whole = list(rows(tmp_path))
    for _ in range(3):
        with Record(tmp_path, size) as record:
            record.place("layers", LOOK)
            size = record.synchronise()
    assert list(rows(tmp_path)) == whole
    with Record(tmp_path, size) as record:
        record.append(look(2))
    assert [len(row["layers"]) for row in rows(tmp_path)] == [3, 3, 3]


def test_numbers_belong_where_the_last_line_before_them_says(tmp_path: Path) -> None:
    with Record(tmp_path) as record:
        for places in (GAPS, GAPS[::-1], GAPS[:1]):
            record.place("gaps", places)
            record.append({"step": len(places), "gaps": [0.25, 0.5][: len(places)]})
    found = [[of["gap"] for of in row["layers"]] for row in rows(tmp_path)]
    assert found == [[0.25, 0.5], [0.5, 0.25], [0.25]]


def test_rows_after_a_resume_are_those_of_a_run_that_never_stopped(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    write(tmp_path / "whole", range(6))
    size = write(tmp_path / "parts", range(3))
    with (tmp_path / "parts" / LINES).open("ab") as file:
        file.write(json.dumps(look(3)).encode() + b'\n{"step": 4, "lay')
    with Record(tmp_path / "parts", size) as record:
        record.place("layers", LOOK)
        for step in range(3, 6):
            record.append(look(step))
    assert list(rows(tmp_path / "parts")) == list(rows(tmp_path / "whole"))


# --- numbers -------------------------------------------------------------------------------------

ODD = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1]


def same(one: float, other: float) -> bool:
    return (math.isnan(one) and math.isnan(other)) or (
        one == other and math.copysign(1, one) == math.copysign(1, other)
    )


@given(st.lists(st.floats() | st.sampled_from(ODD), min_size=2, max_size=2), st.floats())
def test_every_float_survives_a_round_trip(gaps: list[float], loss: float) -> None:
    with TemporaryDirectory() as name:
        with Record(Path(name)) as record:
            record.place("gaps", GAPS)
            record.append({"step": 1, "loss": loss, "gaps": gaps})
        (row,) = rows(Path(name))
    assert same(row["loss"], loss)
    assert all(same(of["gap"], value) for of, value in zip(row["layers"], gaps, strict=True))


@pytest.mark.parametrize("value", ODD)
def test_what_is_not_finite_is_read_back_as_it_was(tmp_path: Path, value: float) -> None:
    with Record(tmp_path) as record:
        record.place("gaps", GAPS)
        record.append({"step": 0, "loss": value, "gaps": [value, 1.0]})
        record.append({"step": 1, "loss": 1.0, "gaps": [1.0, 1.0]})
    first, second = rows(tmp_path)
    assert same(first["loss"], value)
    assert same(first["layers"][0]["gap"], value)
    assert first["layers"][1]["gap"] == second["loss"] == 1.0


# --- torn, cut back, damaged ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "torn", [b"{", b'{"step": 3, "loss": 0.', b'{"step": 3, "layers": [1, 2]}', b"\xff\xfe", b""]
)
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: bytes) -> None:
    write(tmp_path, range(3))
    with (tmp_path / LINES).open("ab") as file:
        file.write(torn)
    assert [row["step"] for row in rows(tmp_path)] == [0, 1, 2]


def test_torn_anywhere_the_lines_before_it_stay(tmp_path: Path) -> None:
    write(tmp_path, range(3))
    content = (tmp_path / LINES).read_bytes()
    for size in range(0, len(content) + 1, 3):
        (tmp_path / LINES).write_bytes(content[:size])
        left = content[:size].count(b"\n") - 1  # the first says where the numbers belong
        assert [row["step"] for row in rows(tmp_path)] == list(range(max(left, 0)))


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


@pytest.mark.parametrize(
    "damage",
    [
        *(b"[1]", b"{}", b"not json", b"", b"3", b'"places"', b"null", b"\xff"),
        *(b"[" * 100_000, b'{"step": ' * 100_000),
        *(b'{"places": "layers"}', b'{"places": ["layers"], "of": []}'),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, damage: bytes) -> None:
    write(tmp_path, range(2))
    path = tmp_path / LINES
    path.write_bytes(damage + b"\n" + path.read_bytes())
    assert "line 1: damaged" in fault_of(lambda: list(rows(tmp_path)), RecordError)


NONE = [None, "x", True, {}, {"a": 1}, 10**400, -(10**400)]
"""What json has, and no float."""


@pytest.mark.parametrize("value", NONE, ids=lambda value: str(value)[:9])
@pytest.mark.parametrize("key", ["step", "loss", "lr", "grad_norm", "gap", "cosine", "more"])
def test_what_is_no_number_is_damage(tmp_path: Path, key: str, value: object) -> None:
    write(tmp_path, range(2))
    with (tmp_path / LINES).open("a") as file:
        file.write(json.dumps({"step": 2, "loss": 1.0, "lr": 0.1, key: value}) + "\n")
    assert "line 4: damaged" in fault_of(lambda: list(rows(tmp_path)), RecordError)


@pytest.mark.parametrize("step", [-1, 0.5, 1.0, math.nan, math.inf, -math.inf, 2**53])
def test_a_step_that_is_none_is_damage(tmp_path: Path, step: float) -> None:
    write(tmp_path, range(2))
    with (tmp_path / LINES).open("a") as file:
        file.write(json.dumps({**look(2), "step": step}) + "\n")
    assert "line 4: damaged" in fault_of(lambda: list(rows(tmp_path)), RecordError)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"step": 3}, "line 5: step 3 has no loss or no lr: damaged"),
        ({"step": 3, "loss": 1.0}, "line 5: step 3 has no loss or no lr: damaged"),
        ({"step": 3, "lr": 1.0}, "line 5: step 3 has no loss or no lr: damaged"),
        (look(2), "line 5: step 2 after step 2: damaged"),
        (look(0), "line 5: step 0 after step 2: damaged"),
    ],
)
def test_what_no_run_has_written(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    write(tmp_path, range(3))
    with Record(tmp_path, (tmp_path / LINES).stat().st_size) as record:
        record.append(row)
    for read in (checked, finish):
        assert said in fault_of(lambda read=read: list(read(tmp_path)), RecordError)


@pytest.mark.parametrize("value", NONE, ids=lambda value: str(value)[:9])
def test_a_layer_that_is_no_number_is_damage(tmp_path: Path, value: object) -> None:
    write(tmp_path, range(2))
    with (tmp_path / LINES).open("a") as file:
        file.write(json.dumps({**look(2), "layers": [*[1.0] * 4, value]}) + "\n")
    assert "line 4: damaged" in fault_of(lambda: list(rows(tmp_path)), RecordError)


@pytest.mark.parametrize("numbers", [[], [1.0] * 4, [1.0] * 6, 1.0, None])
def test_more_or_fewer_numbers_than_places_are_damage(tmp_path: Path, numbers: object) -> None:
    write(tmp_path, range(2))
    with Record(tmp_path, (tmp_path / LINES).stat().st_size) as record:
        record.append({"step": 2, "layers": numbers})
    assert "line 4: damaged" in fault_of(lambda: list(rows(tmp_path)), RecordError)


@pytest.mark.parametrize("key", ["layers", "gaps", "close", "more"])
@pytest.mark.parametrize("numbers", [[1.0, 2.0], [1.0], []])
def test_numbers_that_nobody_said_the_places_of_are_damage(
    tmp_path: Path, key: str, numbers: list[float]
) -> None:
    with Record(tmp_path) as record:
        record.append({"step": 0, "loss": 1.0, "histograms": []})
        record.append({"step": 1, key: numbers})
        record.place(key, GAPS[: len(numbers)])  # too late
    read = rows(tmp_path)
    assert next(read) == {"step": 0, "loss": 1.0, "histograms": []}
    assert "line 2: damaged" in fault_of(lambda: next(read), RecordError)


ODD_PLACES = [
    [*LOOK[:4], (*place, column)]
    for place, column in (
        *(((depth, *LOOK[1][1:4]), "dead") for depth in (-1, "2", 2.0, None, True, 2**53)),
        ((3, *LOOK[1][1:4]), "dead"),  # two depths of one node
        ((2, None, "tanh", "y"), "dead"),
        ((2, "02.tanh", 3, "y"), "dead"),
        ((2, "02.tanh", "tanh", []), "dead"),
        *((LOOK[1][:4], column) for column in ("node", "layer", "rule", "tensor", 3, None)),
    )
]


@pytest.mark.parametrize(
    "of", [3, None, [[1, 2]] * 5, [None] * 5, [[[0], {}, 1, 2, "dead"]] * 5, *ODD_PLACES]
)
def test_places_that_are_none_are_damage(tmp_path: Path, of: Any) -> None:
    with Record(tmp_path) as record:
        record.place("layers", of)
        record.append({"step": 2, "layers": [1.0] * 5})
    assert "line 2: damaged" in fault_of(lambda: list(rows(tmp_path)), RecordError)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """And not waited for."""
    make(tmp_path / LINES)
    assert "cannot be read" in fault_of(lambda: list(rows(tmp_path)), RecordError)


def test_no_record_at_all(tmp_path: Path) -> None:
    assert "cannot be read" in fault_of(lambda: list(rows(tmp_path)), RecordError)


# --- a disk that is nearly full ------------------------------------------------------------------


def test_what_the_system_took_only_a_part_of_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    class Short(io.FileIO):
        def write(self, line: Any) -> int:
            calls.append(len(line))
            assert len(calls) < 999, "it goes on without end"
            return super().write(line[:7])

    monkeypatch.setattr(Path, "open", lambda path, mode, **_: Short(path, mode))
    write(tmp_path, range(3))
    monkeypatch.undo()
    assert len(calls) > 4 * 3
    assert [row["loss"] for row in rows(tmp_path)] == [0, 1 / 3, 2 / 3]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The system refuses to let a file grow beyond this: takes a part, then nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_on_a_full_disk_whole_lines_stay_and_the_run_can_go_on(tmp_path: Path) -> None:
    size = write(tmp_path, range(2))
    with Record(tmp_path, size) as record:
        with largest_file(size + 10), pytest.raises(OSError, match="too large"):
            record.append(look(2))
        assert (tmp_path / LINES).stat().st_size == size + 10
        assert [row["step"] for row in rows(tmp_path)] == [0, 1]
    with Record(tmp_path, size) as record:
        record.append(look(2))
    assert [row["step"] for row in rows(tmp_path)] == [0, 1, 2]


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


# --- tables --------------------------------------------------------------------------------------


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    assert list(finish(folder)) == list(rows(folder))
    steps, of_layers = (pd.read_parquet(folder / name) for name in (STEPS, LAYERS))
    return steps, of_layers


def test_tables(tmp_path: Path) -> None:
    write(tmp_path, range(5))
    steps, of_layers = tables(tmp_path)
    assert tuple(steps.columns) == STEP_COLUMNS
    assert list(steps["step"]) == [0, 1, 2, 3, 4]
    assert list(steps["loss"]) == [step / 3 for step in range(5)]
    assert list(of_layers["step"]) == [step for step in range(5) for _ in range(3)]
    assert list(of_layers["tensor"]) == ["y", "C", "y"] * 5
    dead = of_layers[of_layers["node"] == "02.tanh"]["dead"]
    assert list(dead) == [step + 1 / 8 for step in range(5)]
    assert of_layers["dead"].isna().sum() == 10


def test_the_tables_columns_are_in_order_whatever_order_they_were_seen_in(tmp_path: Path) -> None:
    node = (2, "02.tanh", "tanh", "y")
    with Record(tmp_path) as record:
        record.place("gaps", [(*node, "gap")])
        record.append({"step": 0, "loss": 1.0, "lr": 0.1, "gaps": [0.0]})
        record.place("close", [(*node, column) for column in reversed(COLUMNS[:-1])])
        record.append(
            {"step": 1, "loss": 1.0, "lr": 0.1, "close": [math.nan, *[1.0] * (len(COLUMNS) - 2)]}
        )
    _, of_layers = tables(tmp_path)
    assert tuple(of_layers.columns) == ("step", "layer", "node", "rule", "tensor", *COLUMNS)


def test_histograms_are_in_the_lines_and_not_in_the_tables(tmp_path: Path) -> None:
    spread = [{"node": "02.tanh", "tensor": "y", "of": "value", "counts": [1], "edges": [-1, 1]}]
    with Record(tmp_path) as record:
        record.append({"step": 0, "loss": 1.0, "lr": 0.1, "histograms": spread})
    assert next(iter(rows(tmp_path)))["histograms"] == spread
    steps, of_layers = tables(tmp_path)
    assert tuple(steps.columns) == STEP_COLUMNS
    assert of_layers.empty


def test_a_run_of_which_nothing_was_looked_at_has_empty_tables(tmp_path: Path) -> None:
    with Record(tmp_path):
        pass
    assert [len(table) for table in tables(tmp_path)] == [0, 0]
