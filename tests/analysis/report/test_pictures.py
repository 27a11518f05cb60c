"""Figures on the page."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.report.pictures import SMALL, Picture, pictures
from tests.analysis.report.conftest import Drawn, save


def drawn(folder: Path, figures: list[Drawn], room: int) -> list[Picture]:
    for figure in figures:
        save(figure, folder)
    return pictures(figures, folder, room)  # pyright: ignore[reportArgumentType]


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
    save(Drawn(), tmp_path)
    (tmp_path / "profile.csv").write_text("x\n" * SMALL)
    (found,) = pictures([Drawn()], tmp_path)  # pyright: ignore[reportArgumentType]
    assert found.data == ""


def test_none_needs_nothing(tmp_path: Path) -> None:
    assert pictures([], tmp_path) == []
