"""What a row opens."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

import analysis
from analysis.report import rows
from analysis.report.details import NUMBERS, details
from ninja import records as files
from ninja.parts import parts
from tests.analysis import made


def test_the_layers_are_those_that_the_terminal_shows(grid: Path) -> None:
    records = analysis.read(grid, looks=24)
    runs = rows.ordered(records)
    found = details(records, runs, 10**9)
    for row in (0, 5, 23):
        of = found["runs"][str(row)]
        looks = [look for look in files.rows(Path(of["folder"])) if "layers" in look]
        assert [look["step"] for look in of["looks"]] == [looks[0]["step"], looks[-1]["step"]]
        for look, recorded in zip(of["looks"], (looks[0], looks[-1]), strict=True):
            wanted = parts(recorded["layers"])
            assert found["names"][look["names"]] == [part.name for part in wanted]
            for numbers, part in zip(look["layers"], wanted, strict=True):
                for name, number in zip(NUMBERS, numbers, strict=True):
                    assert (number is None) == (name not in part.numbers)
                    if number is not None:
                        assert number == pytest.approx(part.numbers[name], rel=6e-3)


@pytest.mark.parametrize("room", [0, 3_000, 9_000])
def test_it_keeps_to_its_room_and_has_the_sick_first(grid: Path, room: int) -> None:
    records = analysis.read(grid)
    runs = rows.ordered(records)
    found = details(records, runs, room)
    assert len(found["runs"]) < len(runs)
    assert not found["runs"] or len(orjson.dumps(found)) <= room
    sick = {str(row) for row in runs.index[~runs["healthy"]]}
    assert set(found["runs"]) <= sick or set(found["runs"]) >= sick


def test_findings_and_settings_are_told(grid: Path) -> None:
    records = analysis.read(grid)
    runs = rows.ordered(records)
    found = details(records, runs, 10**9)["runs"]
    row = str(runs.index[~runs["healthy"]][0])
    assert found[row]["findings"][0]["kind"] == "vanishing"
    assert found[row]["findings"][0]["fix"] == "init.gain=tanh"
    assert "init.gain=0.5" in found[row]["setting"]


def test_a_run_that_nobody_looked_at_opens_too(tmp_path: Path) -> None:
    records = analysis.read(made.run(tmp_path / "study" / "run"))
    bare = replace(records, layers=records.layers[:0])
    assert details(bare, rows.ordered(bare), 10**6)["runs"]["0"]["looks"] == []


def test_an_update_after_the_rate_was_lowered_is_marked(tmp_path: Path) -> None:
    folder = made.run(tmp_path / "study" / "run")
    records = analysis.read(folder)
    records.steps.loc[records.steps["step"] >= 40, "lr"] = 0.01
    first, last = details(records, rows.ordered(records), 10**6)["runs"]["0"]["looks"]
    assert all("eased" not in numbers for numbers in first["layers"])
    assert any("eased" in numbers for numbers in last["layers"])
