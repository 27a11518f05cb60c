"""Intervals: against scipy's own tests, and by how often they hold the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from analysis import stats

values = st.lists(st.floats(-999, 999).map(lambda of: round(of, 3)), min_size=2, max_size=9)


@given(values)
def test_a_mean_lies_within_its_interval(of: list[float]) -> None:
    found = stats.mean(of)
    assert found.low <= found.value <= found.high
    assert found.n == len(of)


def test_a_mean_of_known_numbers() -> None:
    """Student's own sleep data, group 2 less group 1: 1.58, 0.70 to 2.46."""
    extra = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    found = stats.mean(extra)
    assert (found.value, found.low, found.high) == pytest.approx((1.58, 0.7001, 2.4599), abs=1e-4)


def test_a_single_value_has_no_interval_and_none_is_none() -> None:
    assert stats.mean([2.0])[:1] == (2.0,)
    assert math.isnan(stats.mean([2.0]).low)
    assert stats.mean([]).n == 0
    assert str(stats.mean([])) == "–"
    assert str(stats.mean([2.0])) == "2"


def test_what_is_not_finite_is_left_out() -> None:
    assert stats.mean([1.0, math.nan, 3.0, math.inf]) == stats.mean([1.0, 3.0])


def test_intervals_hold_the_truth_in_95_of_100() -> None:
    draw = np.random.default_rng(0)
    samples = draw.normal(7.0, 2.0, (2000, 4))
    held = [(of := stats.mean(list(row))).low <= 7.0 <= of.high for row in samples]
    assert 0.93 < np.mean(held) < 0.97


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 298, 0.0072, 0.0387)],
)
def test_a_share_has_wilsons_interval(hits: int, n: int, low: float, high: float) -> None:
    found = stats.share(hits, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 500), st.floats(0, 1))
def test_it_is_that_of_scipy(n: int, p: float) -> None:
    found = stats.share(hits := round(p * n), n)
    theirs = scipy_stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize(("hits", "n"), [(3, 2), (-1, 2)])
def test_no_share_of_more_than_all(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        stats.share(hits, n)


@given(values, values)
def test_a_difference_is_welchs(before: list[float], after: list[float]) -> None:
    found = stats.difference(before, after, paired=False)
    assert found.value == pytest.approx(np.mean(after) - np.mean(before), abs=1e-9)
    if min(np.std(before), np.std(after)) > 1e-3:
        of = scipy_stats.ttest_ind(after, before, equal_var=False)
        significant = not found.low <= 0 <= found.high
        assert significant == (of.pvalue < 0.05) or of.pvalue == pytest.approx(0.05, abs=1e-6)


def test_pairs_see_what_seeds_hide() -> None:
    before = [2.0, 3.0, 4.0, 5.0]
    after = [of + 0.1 + 0.001 * at for at, of in enumerate(before)]
    apart, paired = (stats.difference(before, after, paired=p) for p in (False, True))
    assert apart.low < 0 < paired.low
    with pytest.raises(ValueError, match="4 values before, 3 after"):
        stats.difference(before, after[:3], paired=True)


def test_without_any_spread_the_difference_is_known() -> None:
    assert stats.difference([1.0, 1.0], [2.0, 2.0], paired=False) == (1.0, 1.0, 1.0, 4)


@given(values, values, st.booleans(), st.floats(0, 9))
def test_chance_is_below_5_of_100_where_the_interval_lies_beyond_the_margin(
    before: list[float], after: list[float], paired: bool, margin: float
) -> None:
    if paired:
        n = min(len(before), len(after))
        before, after = before[:n], after[:n]
    found = stats.difference(before, after, paired=paired)
    p = stats.chance(before, after, paired=paired, margin=margin)
    closest = max(found.low, -found.high) - margin
    if abs(closest) > 1e-6:
        assert (p < 0.05) == (closest > 0)


def test_chance_is_that_of_students_test() -> None:
    one, other = [1.0, 2.0, 4.0, 3.0], [2.0, 2.5, 4.75, 3.5]
    pairs = scipy_stats.ttest_rel(other, one)
    assert stats.chance(one, other, paired=True) == pytest.approx(pairs.pvalue)
    groups = scipy_stats.ttest_ind(other, one, equal_var=False)
    assert stats.chance(one, other, paired=False) == pytest.approx(groups.pvalue)


def test_one_value_has_no_chance_and_values_without_spread_are_sure() -> None:
    assert math.isnan(stats.chance([1.0], [2.0], paired=True))
    assert stats.chance([1.0, 1.0], [2.0, 2.0], paired=False) == 0
    assert stats.chance([1.0, 1.0], [2.0, 2.0], paired=False, margin=1.0) == 1


def test_holm_as_in_his_paper() -> None:
    """Each is multiplied by how many are left, and none falls below the one before."""
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.9, 0.8]) == [1.0, 1.0]
    found = stats.holm([math.nan, 0.02])
    assert math.isnan(found[0])
    assert found[1] == 0.02


@given(st.lists(st.floats(0, 1), max_size=9))
def test_holm_lowers_none_and_raises_none_beyond_bonferroni(chances: list[float]) -> None:
    for p, raised in zip(chances, stats.holm(chances), strict=True):
        assert p <= raised <= min(1, p * len(chances)) or p == raised
