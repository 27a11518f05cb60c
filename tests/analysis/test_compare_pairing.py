"""Which run stands against which."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.compare.pairing import Change, Group, pair, pooled
from analysis.compare.side import Side
from ninja.errors import RecordError
from tests.analysis.sides import side


def flat(gain: float, seed: int) -> float:
    return gain + seed / 100


def test_what_differs_is_passed_over_and_the_rest_makes_pairs() -> None:
    before = side(flat, [1.0, 10.0, 2.0])
    found = pair(before, side(flat, [2.0, 1.0, 10.0], **{"norm.name": "batchnorm"}))
    assert found.changes == (Change("norm.name", ("none",), ("batchnorm",)),)
    told = [(group.setting, group.paired, list(group.before)) for group in found.groups]
    seeds = ["1", "2", "3"]
    assert told == [(f"init.gain={gain}", True, seeds) for gain in ("1", "2", "10")]
    assert found.groups[2].before == {seed: (f"study/10.0-{seed}",) for seed in seeds}
    assert found.alone_before == found.alone_after == ()


def test_other_seeds_are_no_pairs() -> None:
    found = pair(side(flat), side(flat, seeds=[4, 5]))
    (group,) = found.groups
    assert not group.paired
    assert (list(group.before), list(group.after)) == (["1", "2", "3"], ["4", "5"])
    assert group.setting == ""


def test_seeds_that_both_have_are_pairs_and_the_others_stand_alone() -> None:
    found = pair(side(flat), side(flat, seeds=[3, 2, 9]))
    (group,) = found.groups
    assert group.paired
    assert list(group.before) == list(group.after) == ["2", "3"]
    assert found.alone_before == ("study/1.0-1",)
    assert found.alone_after == ("study/1.0-9",)
    assert found.left_out == (Change("seed", ("1", "2", "3"), ("2", "3", "9")),)


def test_one_common_seed_of_many_makes_no_pair_but_that_of_a_single_run_does() -> None:
    assert not pair(side(flat), side(flat, seeds=[3, 4])).groups[0].paired
    assert pair(side(flat), side(flat, seeds=[3])).groups[0].paired


def test_a_setting_that_only_one_side_has_is_left_out() -> None:
    found = pair(side(flat, [1.0, 2.0]), side(flat, [2.0, 3.0]))
    (group,) = found.groups
    assert group.before["1"] == ("study/2.0-1",)
    assert found.changes == ()
    assert found.left_out == (Change("init.gain", ("1", "2"), ("2", "3")),)
    assert found.alone_before == tuple(f"study/1.0-{seed}" for seed in (1, 2, 3))


def test_a_key_of_another_version_has_changed() -> None:
    found = pair(side(flat), side(flat, **{"norm.eps": 1e-5}))
    assert found.changes == (Change("norm.eps", ("(none)",), ("1e-05",)),)
    assert found.groups[0].paired


def test_without_a_common_setting_the_keys_in_the_way_are_named() -> None:
    """Gain and norm are shared, each by itself, and no pair of them is."""
    crossed = [
        _joined(side(flat, [one], **{"norm.name": "a"}), side(flat, [other], **{"norm.name": "b"}))
        for one, other in ((1.0, 2.0), (2.0, 1.0))
    ]
    with pytest.raises(RecordError, match=r"they differ in init\.gain, norm\.name: compare"):
        pair(*crossed)


def _joined(one: Side, other: Side) -> Side:
    return Side(
        one.place, pd.concat([one.runs, other.runs]), pd.concat([one.numbers, other.numbers])
    )


def test_watched_trainings_are_told_apart_by_their_names() -> None:
    one, two = (
        Side(of.place, of.runs.drop(columns=["seed", "init.gain", "norm.name"]), of.numbers)
        for of in (side(flat, status="watched"), side(flat, seeds=[2, 3], status="watched"))
    )
    found = pair(one, two)
    names = [[of for runs in group.before.values() for of in runs] for group in found.groups]
    assert names == [["study/1.0-2"], ["study/1.0-3"]]
    assert found.changes == ()


def test_several_runs_of_one_seed_count_once() -> None:
    group = Group("", {"1": ("a", "b")}, {"1": ("c",)}, paired=True)
    found = group.sample({"a": 1.0, "b": 2.0}, {"c": 5.0})
    assert found == ([1.5], [5.0], True)


@settings(max_examples=20)
@given(
    st.sets(st.integers(1, 9), min_size=1, max_size=5),
    st.sets(st.integers(1, 9), min_size=1, max_size=5),
    st.sets(st.sampled_from([1.0, 2.0, 3.0]), min_size=1),
    st.sets(st.sampled_from([1.0, 2.0, 3.0]), min_size=1),
)
def test_no_run_is_lost_and_none_counts_twice(
    seeds: set[int], others: set[int], gains: set[float], other_gains: set[float]
) -> None:
    before, after = side(flat, gains, seeds), side(flat, other_gains, others)
    found = pair(before, after)
    for runs, name, alone in (
        (before.runs, "before", found.alone_before),
        (after.runs, "after", found.alone_after),
    ):
        there = [of for g in found.groups for names in getattr(g, name).values() for of in names]
        assert sorted([*there, *alone]) == sorted(runs.index)
    assert all(list(g.before) == list(g.after) for g in found.groups if g.paired)


def test_a_mean_over_settings_has_a_value_a_seed() -> None:
    before, after = side(flat, [1.0, 2.0]), side(lambda g, s: flat(g, s) + g * s, [1.0, 2.0])
    found = pooled(pair(before, after).groups, before.runs["loss_test"].to_dict(), _tests(after))
    apart = [other - one for one, other in zip(found.sample.before, found.sample.after)]
    assert apart == pytest.approx([1.5, 3.0, 4.5])
    assert found.settings == 2


def _tests(of: Side) -> dict[object, float]:
    return of.runs["loss_test"].to_dict()


def test_a_setting_that_diverged_or_lacks_a_seed_is_not_in_the_mean() -> None:
    gains = [1.0, 2.0, 3.0]
    before = side(flat, gains)
    after = side(lambda g, s: math.nan if (g, s) == (3.0, 2) else flat(g, s) + 1, gains)
    groups = pair(before, after).groups
    found = pooled(groups, _tests(before), _tests(after))
    assert found.settings == 2
    assert found.sample.before == pytest.approx([1.51, 1.52, 1.53])
    lone = Group("other", {"7": ("study/1.0-1",)}, {"7": ("study/1.0-1",)}, paired=True)
    assert pooled([*groups, lone], _tests(before), _tests(after)) == found
