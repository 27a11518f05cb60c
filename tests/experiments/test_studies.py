"""Every study: its claims are those of the theory, and fail if the product is wrong.

That they hold where it is right, all in one call, is in test_reproduce.
"""

import csv
import re
from importlib import import_module
from pathlib import Path

import pytest

from experiments import claims
from experiments.claims import FOLDER, judge, names, read
from ninja.mutants import planted

SOME = ("identities",)
"""Measured in the fast tests; all others in the slow ones, and by `make reproduce`."""

STUDIES = [pytest.param(name, marks=() if name in SOME else pytest.mark.slow) for name in names()]


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_fails_when_the_product_is_wrong(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, module = read(name), import_module(f"experiments.{name}.measure")
    monkeypatch.chdir(tmp_path)  # runs that were trained are kept below the working directory
    with planted(study.broken_by):
        broken = judge(study, module.measure(quick=True), quick=True)
    assert [one.claim.name for one in broken if not one.passed]


@pytest.mark.parametrize("name", SOME)
def test_a_study_passes(name: str) -> None:
    study, module = read(name), import_module(f"experiments.{name}.measure")
    judged = judge(study, module.measure(quick=True), quick=True)
    assert [one.claim.name for one in judged if not one.passed] == []


@pytest.mark.parametrize("name", names())
def test_the_numbers_claimed_are_those_of_the_theory(name: str) -> None:
    """To the digits that the file gives."""
    predict = getattr(import_module(f"experiments.{name}.measure"), "predict", None)
    if predict is None:
        pytest.skip("no theory predicts this study's numbers: they were published, or are exact")
    study, predicted = read(name), predict()
    assert predicted.keys() <= study.claims.keys()
    for key, value in predicted.items():
        assert study.claims[key].predicted == pytest.approx(value, rel=2e-3, abs=1e-4), key


@pytest.mark.parametrize("name", names())
def test_the_figure_that_is_shown_is_of_the_claims(name: str) -> None:
    """That its file makes now, and of measurements that pass."""
    study = read(name)
    shown = [claim for panel in study.figure for of in panel.series.values() for claim in of]
    with (FOLDER / name / "figure.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["claim"] for row in rows] == [study.claims[key].quantity for key in shown]
    for row, key in zip(rows, shown, strict=True):
        assert float(row["predicted"]) == pytest.approx(study.claims[key].predicted, rel=1e-5)
        assert row["passed"] == "True"
    assert (FOLDER / name / "figure.svg").read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.parametrize("name", names())
def test_a_study_is_told(name: str) -> None:
    text = (FOLDER / name / "README.md").read_text()
    for part in ("**Question.**", "**Method.**", "**Answer.**"):
        assert part in text
    assert read(name).question.endswith("?")
    (picture,) = re.findall(r"^!\[[^]]+\]\(figure\.svg\)$", text, re.MULTILINE)
    assert text.index("**Answer.**") < text.index(picture)
    assert claims.FILE in (FOLDER / "README.md").read_text()
