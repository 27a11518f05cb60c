"""Which figure a study's file may ask for."""

from typing import Any

import pytest

from experiments.claims import names, read
from experiments.panels import Panel, panels

CLAIMS = {"one": object(), "two": object()}
GIVEN: dict[str, Any] = {"x": "layers", "y": "growth", "log": "y", "series": {"a": {"one": 3}}}


def test_a_panel_is_read() -> None:
    assert panels([GIVEN], CLAIMS) == (Panel("layers", "growth", "y", {"a": {"one": 3.0}}),)
    assert panels([GIVEN], CLAIMS)[0].named == []


def test_names_stand_in_their_order() -> None:
    series = {"a": {"one": "late", "two": "early"}, "b": {"one": "early"}}
    (panel,) = panels([{"y": "growth", "series": series}], CLAIMS)
    assert panel.named == ["late", "early"]
    assert (panel.x, panel.log) == ("", "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"series": {"a": {"three": 1}}}, "panel 1: three is no claim"),
        ({"series": {}}, "panel 1: shows no claim"),
        ({"series": {"a": {"one": 1, "two": "two"}}}, "numbers and names"),
        ({"series": {str(n): {"one": 1} for n in range(7)}}, "7 series, 6 can be told apart"),
        ({"log": "z"}, "log: 'z' is none of x, y, xy"),
        ({"title": "x"}, "title is none of log, series, x, y"),
    ],
)
def test_what_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        panels([GIVEN | change], CLAIMS)


@pytest.mark.parametrize("name", names())
def test_every_study_has_a_figure_of_its_claims(name: str) -> None:
    assert read(name).figure
