"""What a verdict turns on, and settings in few words."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.report.axes import decisive, described, order

GRID = pd.DataFrame(
    [(gain, norm, seed) for gain in ("0.5", "1", "5/3") for norm in "ab" for seed in "12"],
    columns=["gain", "norm", "engine"],
)


def test_keys_that_make_no_difference_are_left_out() -> None:
    assert decisive(GRID, GRID["norm"].map({"a": "healthy", "b": "dead"})) == ["norm"]
    both = (GRID["gain"] == "0.5") & (GRID["norm"] == "a")
    assert decisive(GRID, both.map({True: "vanishing", False: "healthy"})) == ["gain", "norm"]
    assert decisive(GRID, pd.Series("healthy", index=GRID.index)) == []


def test_a_seed_that_differs_by_chance_is_no_reason_to_keep_a_key() -> None:
    """One odd run of a setting is odd whichever keys are told."""
    runs = pd.concat([GRID[["gain"]]] * 3, ignore_index=True)
    kinds = runs["gain"].map({"0.5": "vanishing", "1": "healthy", "5/3": "healthy"})
    kinds.iloc[0] = "healthy"
    assert decisive(runs, kinds) == ["gain"]


def test_settings_are_told_in_few_words() -> None:
    grid = GRID[["gain", "norm"]]
    sick = (grid["gain"] == "0.5") & (grid["norm"] == "a")
    assert described(grid[~sick], grid) == ["norm=b", "norm=a gain=1, 5/3"]
    assert described(grid[sick], grid) == ["norm=a gain=0.5"]
    assert described(grid[[]], grid[[]]) == []


def test_values_of_one_key_stand_together() -> None:
    rows = [(g, n, d) for g in ("0.5", "1", "5/3", "10") for n in "ab" for d in "18"]
    grid = pd.DataFrame(rows, columns=["gain", "norm", "depth"])
    deep = (grid["gain"] == "0.5") & (grid["depth"] == "8")
    sick = (grid["norm"] == "a") & ((grid["gain"] == "10") | deep)
    assert described(grid[~sick], grid) == ["norm=b", "gain=1, 5/3", "norm=a depth=1 gain=0.5"]


def test_many_numbers_are_a_range_only_if_no_other_lies_between() -> None:
    every = pd.DataFrame({"lr": [0.1 * at for at in range(1, 11)]})
    assert described(every.head(6), every) == ["lr=0.1 to 0.6000000000000001 (6 values)"]
    gaps = every.iloc[[0, 1, 2, 3, 5, 6]]
    assert described(gaps, every) == ["lr=0.1, 0.2, 0.30000000000000004, 0.4 and 2 more"]


@settings(max_examples=30)
@given(st.sets(st.integers(0, 11), min_size=1))
def test_what_is_told_is_what_was_meant(rows: set[int]) -> None:
    """Read back, the words name these settings and no others."""
    grid = pd.DataFrame([(a, b) for a in "wxyz" for b in "123"], columns=["a", "b"])
    these = grid.iloc[sorted(rows)]
    named: set[int] = set()
    for told in described(these, grid):
        kept = grid
        for key in ("a", "b"):
            if f"{key}=" in told:
                values = told.split(f"{key}=")[1].split(" a=")[0].split(" b=")[0].split(", ")
                kept = kept[kept[key].isin(values)]
        named |= set(kept.index)
    assert named == rows


@pytest.mark.parametrize("names", [["0.5", "5/3", "10"], ["1", "2", "x"], ["1e-3", "0.1", "a"]])
def test_numbers_are_ordered_by_size(names: list[str]) -> None:
    assert sorted({*names}, key=order) == names


def test_a_run_whose_name_looks_like_a_large_number_takes_no_time() -> None:
    names = ["4e3097811234", "5/3", "0.5", "a2e99999999"]
    assert sorted(names, key=order) == ["0.5", "5/3", "4e3097811234", "a2e99999999"]
