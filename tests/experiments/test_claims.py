"""Specification of claims: what is read, what passes, what is refused."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import claims
from experiments.claims import Claim, ClaimError, Judged, Tolerance, judge, read

TEXT = """
question: Is one and one two?
broken_by: {target: Tanh.backward, mistake: none, before: a, after: b}
figure:
  - {y: sum, series: {by hand: {sum: 1}}}
claims:
  sum:
    quantity: one and one
    source: Peano 1889
    how: by adding
    predicted: 2
    tolerance: 1.5 %
    quick: 0.1
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of its own."""
    folder = tmp_path / "adding"
    folder.mkdir()
    (folder / "claims.yaml").write_text(TEXT)
    monkeypatch.setattr(claims, "FOLDER", tmp_path)
    return folder / "claims.yaml"


def claim(predicted: float, tolerance: Tolerance) -> Claim:
    return Claim("x", "x", "nobody", "by looking", predicted, tolerance)


def judged(predicted: float, tolerance: Tolerance, values: list[float]) -> Judged:
    return Judged(claim(predicted, tolerance), values, tolerance)


@pytest.mark.usefixtures("place")
def test_a_study_is_read() -> None:
    study = read("adding")
    assert study.question == "Is one and one two?"
    found = study.claims["sum"]
    assert found.predicted == 2
    assert found.within(quick=False) == Tolerance(0.015, relative=True)
    assert found.within(quick=True) == Tolerance(0.1, relative=False)
    assert study.broken_by.target == "Tanh.backward"


@given(st.floats(-100, 100), st.floats(0, 10), st.floats(-20, 20))
def test_within_the_tolerance_and_not_beyond(predicted: float, size: float, away: float) -> None:
    one = judged(predicted, Tolerance(size, relative=False), [predicted + away])
    assert one.passed == (abs(one.mean - predicted) <= size)


def test_a_ratio_is_of_what_is_predicted() -> None:
    ratio = Tolerance(0.01, relative=True)
    assert judged(200.0, ratio, [201.0, 202.9]).passed
    assert not judged(200.0, ratio, [202.1]).passed


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_never_passes(value: float) -> None:
    assert not judged(0.0, Tolerance(1e9, relative=False), [value]).passed


def test_mean_and_deviation() -> None:
    one = judged(2.0, Tolerance(0.0, relative=False), [1.0, 2.0, 3.0])
    assert (one.mean, one.deviation, one.passed) == (2.0, 1.0, True)
    assert math.isnan(judged(2.0, Tolerance(0.0, relative=False), [2.0]).deviation)


@pytest.mark.usefixtures("place")
def test_what_is_measured_is_what_is_claimed() -> None:
    study = read("adding")
    assert judge(study, {"sum": [2.0]}, quick=False)[0].passed
    for measured in ({}, {"sum": [2.0], "product": [1.0]}):
        with pytest.raises(ClaimError, match="only claimed, or only measured"):
            judge(study, measured, quick=False)


def test_the_words_of_the_source_are_held_to_more(place: Path) -> None:
    place.write_text(TEXT.replace("quick: 0.1", "published: 0.001"))
    study = read("adding")
    measured = {"sum": [2.01]}
    assert judge(study, measured, quick=False)[0].passed
    for quick in (False, True):
        assert not judge(study, measured, quick=quick, published=True)[0].passed
    place.write_text(TEXT.replace("quick: 0.1", "published: 0.001\n    quick: 0.1"))
    assert judge(read("adding"), measured, quick=True, published=True)[0].passed


def test_what_is_claimed_of_the_source_s_words_alone(place: Path) -> None:
    place.write_text(TEXT.replace("tolerance: 1.5 %\n    quick: 0.1", "published: 0"))
    study = read("adding")
    for quick in (False, True):
        assert judge(study, {"sum": [3.0]}, quick=quick) == []
        (one,) = judge(study, {"sum": [3.0]}, quick=quick, published=True)
        assert not one.passed


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("1.5 %", "-1", "'-1'? is no tolerance|-1 is no tolerance"),
        ("1.5 %", "near", "near"),
        ("    source: Peano 1889\n", "", "source is missing"),
        ("quick:", "quack:", "quack is no key"),
        ("    tolerance: 1.5 %\n", "", "tolerance is missing"),
        ("claims:", "claim:", "claims"),
        ("predicted: 2", "predicted: two", "sum: predicted: 'two' is no finite number"),
        ("predicted: 2", "predicted: .inf", "sum: predicted: inf is no finite number"),
        ("by hand: {sum:", "by hand: {product:", "figure: panel 1: product is no claim"),
        ("figure:", "picture:", "figure"),
        ("question", "{", "ParserError|ScannerError"),
        ("mistake: none, ", "", "mistake"),
    ],
)
def test_refusals_name_the_file(place: Path, before: str, after: str, said: str) -> None:
    place.write_text(TEXT.replace(before, after))
    with pytest.raises(ClaimError, match=said) as refused:
        read("adding")
    assert str(place) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("place")
def test_an_unknown_study() -> None:
    with pytest.raises(ClaimError, match="choose from adding; did you mean adding"):
        read("addin")
