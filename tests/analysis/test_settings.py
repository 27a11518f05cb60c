"""What differs between runs."""

from pathlib import Path

import pytest

import analysis
from analysis.settings import shown
from tests.analysis import made


def test_what_varies_is_named_and_the_seed_comes_last(tmp_path: Path) -> None:
    made.run(tmp_path / "study" / "a", seed=1, config={"norm": {"name": "batchnorm"}})
    made.run(tmp_path / "study" / "b", seed=2, config={"init": {"gain": 3.0}})
    runs = analysis.load(tmp_path).runs
    names = analysis.varying(runs)
    assert names == ["init.gain", "norm.name", "seed"]
    assert list(analysis.labels(runs, {"seed", "init.gain"})) == [
        "norm.name=batchnorm",
        "norm.name=none",
    ]
    assert analysis.labels(runs).nunique() == 2


def test_labels_are_those_of_the_study(tmp_path: Path) -> None:
    """Between studies all may differ; nobody wants to read that of each run."""
    made.run(tmp_path / "one" / "a", seed=1)
    made.run(tmp_path / "one" / "b", seed=2)
    made.run(tmp_path / "two" / "c", seed=3, config={"batch_size": 7})
    assert list(analysis.labels(analysis.load(tmp_path).runs)) == ["seed=1", "seed=2", ""]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (float("nan"), "null"), (True, "true"), (1.0, "1"), (0.1, "0.1"), ("a", "a")],
)
def test_a_value_is_shown_as_it_is_typed(value: object, text: str) -> None:
    assert shown(value) == text
