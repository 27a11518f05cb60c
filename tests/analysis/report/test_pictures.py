"""Figures on the page."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import analysis
from analysis.report.pictures import SMALL, Picture, draw_all, pictures
from analysis.workers import PARALLEL, workers
from tests.analysis import made
from tests.analysis.made import Shape
from tests.analysis.report.conftest import Drawn


def drawn(folder: Path, figures: Any, room: int) -> list[Picture]:
    return pictures(figures, draw_all(figures, folder), folder, room)


@pytest.mark.usefixtures("drawings")
def test_each_is_drawn_for_light_and_for_dark(tmp_path: Path) -> None:
    (found,) = drawn(tmp_path, [Drawn()], 10**6)
    assert "profile-light" in found.light
    assert "profile-dark" in found.dark
    assert found.data.startswith("data:text/csv;charset=utf-8;base64,")


@pytest.mark.usefixtures("drawings")
def test_what_has_no_room_is_drawn_once_and_then_not_at_all(tmp_path: Path) -> None:
    figures = [replace(Drawn(), name=name) for name in ("one", "two", "three")]
    size = len('<svg viewBox="0 0 9 9" id="three-light"></svg>')
    there = [(bool(of.light), bool(of.dark)) for of in drawn(tmp_path, figures, round(size * 4.4))]
    assert there == [(True, True), (True, False), (True, False)]
    assert [bool(of.light) for of in drawn(tmp_path, figures, size * 2)] == [True, True, False]


@pytest.mark.usefixtures("drawings")
def test_large_data_stay_in_their_file(tmp_path: Path) -> None:
    figures: Any = [Drawn()]
    made = draw_all(figures, tmp_path)
    (tmp_path / "profile.csv").write_text("x\n" * SMALL)
    (found,) = pictures(figures, made, tmp_path)
    assert found.data == ""


def test_none_needs_nothing(tmp_path: Path) -> None:
    assert pictures([], draw_all([], tmp_path), tmp_path) == []


@pytest.mark.slow
def test_side_by_side_as_one_by_one(tmp_path: Path) -> None:
    """With the real figures: they go to other processes and come back the same."""
    from analysis import figures

    made.run(tmp_path / "outputs" / "study" / "a", Shape(looks=3))
    found = figures.figures(analysis.read(tmp_path / "outputs"))[:2]
    alone, together = tmp_path / "alone", tmp_path / "together"
    one = draw_all(found, alone)
    with workers(2, PARALLEL) as pool:
        assert pool is not None
        other = draw_all(found, together, pool)
    assert [(of.light, of.dark) for of in one] == [(of.light, of.dark) for of in other]
    for path in sorted(alone.iterdir()):
        assert path.read_bytes() == (together / path.name).read_bytes()
