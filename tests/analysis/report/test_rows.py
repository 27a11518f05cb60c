"""The table of runs."""

from pathlib import Path

import pytest

import analysis
from analysis.report import rows


def test_neighbours_are_alike_and_nothing_is_lost(grid: Path) -> None:
    records = analysis.read(grid)
    runs = rows.ordered(records)
    assert sorted(runs["run"]) == sorted(records.runs["run"])
    assert list(dict.fromkeys(runs["init.gain"])) == ["0.5", "1", "5/3"]
    found = {column.name: column for column in rows.columns(runs)}
    assert list(found) == [
        *("run", "verdict", "init.gain", "norm.name", "backward", "seed", "layer", "first_step"),
        *("loss_train", "loss_validation", "gap", "fix"),
    ]
    for name, column in (("run", "run_id"), ("verdict", "verdict"), ("init.gain", "init.gain")):
        assert [found[name].cell(row) for row in range(len(runs))] == list(runs[column])
    losses = [float(found["loss_validation"].cell(row)) for row in range(len(runs))]
    assert losses == pytest.approx(list(runs["loss_validation"]), rel=1e-3)
    assert found["gap"].cell(0) == "1.0e-07"


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (0.0, "0"), (2.4, "2.400"), (1e-7, "1.0e-07"), (1234.0, "1234"), (1e5, "1.0e+05")],
)
def test_a_number_is_shown_with_four_digits(value: float, text: str) -> None:
    assert rows.number(value) == text
