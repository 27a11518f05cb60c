"""What is called better, worse, identical, and how often wrongly."""

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.compare.comparison import Comparison, compare
from analysis.compare.differences import LOSSES, losses
from analysis.compare.pairing import Change, pair
from analysis.compare.side import Side
from tests.analysis.sides import Loss, side


def noisy(draw: np.random.Generator, more: float = 0.0, common: float = 0.05) -> Loss:
    """Around 2.3 nats: a seed's own deviation, the same in all settings, and that of each run."""
    of_seed = {seed: draw.normal(0, common) for seed in range(20)}
    return lambda _, seed: 2.3 + more + of_seed[seed] + draw.normal(0, 0.02)


def flat(_: float, seed: int) -> float:
    return 2.3 + seed % 10 / 100


def of(found: Comparison, quantity: str, setting: str | None = "") -> str:
    (verdict,) = [
        one.verdict for one in found.losses if (one.quantity, one.setting) == (quantity, setting)
    ]
    return verdict


def judged(draw: np.random.Generator, count: int, more: float, seeds: list[int]) -> list[set[str]]:
    """Verdicts of the losses of many comparisons of two settings with four seeds each."""
    gains = [1.0, 2.0]
    before, after = side(flat, gains, range(4)), side(flat, gains, seeds)
    pairing = pair(before, after)
    found: list[set[str]] = []
    for _ in range(count):
        sides = [_again(before, noisy(draw)), _again(after, noisy(draw, more))]
        found.append({one.verdict for one in losses(*sides, pairing, 0.0)})
    return found


def _again(of: Side, loss: Loss) -> Side:
    """The same runs with other losses, a draw for each split."""
    rows = list(zip(of.runs["init.gain"], of.runs["seed"]))
    drawn = {f"loss_{split}": [loss(*row) for row in rows] for split in LOSSES}
    return replace(of, runs=of.runs.assign(**drawn))


@pytest.mark.parametrize("seeds", [[0, 1, 2, 3], [4, 5, 6, 7]], ids=["paired", "unpaired"])
def test_of_200_comparisons_of_the_same_at_most_5_in_100_are_called_worse(seeds: list[int]) -> None:
    found = judged(np.random.default_rng(1), 200, 0.0, seeds)
    assert sum("worse" in verdicts for verdicts in found) <= 10
    assert sum(bool({"worse", "better"} & verdicts) for verdicts in found) <= 16
    assert sum("no different" in verdicts for verdicts in found) >= 180


@pytest.mark.parametrize("seeds", [[0, 1, 2, 3], [4, 5, 6, 7]], ids=["paired", "unpaired"])
def test_a_loss_that_rose_by_ten_deviations_is_found(seeds: list[int]) -> None:
    found = judged(np.random.default_rng(2), 40, 0.7, seeds)
    assert sum("worse" in verdicts for verdicts in found) >= 36


def test_pairs_find_what_seeds_hide() -> None:
    draw = np.random.default_rng(3)
    loss = noisy(draw, common=0.5)
    before = side(loss, seeds=range(8))
    assert compare(before, side(lambda g, s: loss(g, s) + 0.1, seeds=range(8))).verdict == "worse"
    found = compare(before, side(lambda g, s: loss(g, s) + 0.1, seeds=range(8, 16)))
    assert found.verdict == "no different"


def test_a_tolerance_lets_through_what_is_smaller() -> None:
    draw = np.random.default_rng(4)
    before, after = (side(noisy(draw, more, 0), seeds=range(9)) for more in (0.0, 0.1))
    assert compare(before, after, 0.05).verdict == "worse"
    assert compare(before, after, 0.2).verdict == "no different"
    assert compare(after, before).verdict == "better"


def test_one_setting_of_many_must_stand_out_from_chance() -> None:
    """p = 0.022 by itself: among 51 losses, nobody can tell."""
    raised = {1: 0.02, 2: 0.03, 3: 0.04}

    def loss(gain: float, seed: int) -> float:
        return flat(gain, seed) + (raised[seed] if gain == 1 else 0.01 * (seed - 2))

    alone = compare(side(flat), side(loss))
    gains = [float(gain) for gain in range(1, 17)]
    among = compare(side(flat, gains), side(loss, gains))
    assert [one.difference.low > 0 for one in alone.losses] == [True] * 3
    assert of(among, "validation", "init.gain=1") == "cannot be told"
    assert of(among, "validation", "init.gain=2") == "no different"
    assert among.intervals == 51
    assert among.verdict == "no different"


def test_half_of_the_false_alarms_are_kept_for_the_mean_over_settings() -> None:
    """So many settings change nothing about how sure the mean is."""
    gains = [float(gain) for gain in range(1, 17)]
    found = compare(side(flat, gains), side(lambda g, s: flat(g, s) + 0.1 + s / 1e3, gains))
    means = [one for one in found.losses if one.setting is None]
    assert [one.verdict for one in means] == ["worse"] * 3
    assert means[0].settings == 16
    assert means[0].difference.value == pytest.approx(0.102)


def test_the_same_bits_are_identical_and_the_next_float_is_not() -> None:
    before = side(flat)
    found = compare(before, side(flat, git_revision="2" * 40, **{"version.torch": "2.13"}))
    assert found.verdict == "identical"
    assert found.identical == (3, 3)
    assert found.code == (
        Change("git_revision", ("1" * 40,), ("2" * 40,)),
        Change("version.torch", ("2.12",), ("2.13",)),
    )
    near = compare(before, side(lambda g, s: np.nextafter(flat(g, s), 3) if s == 2 else flat(g, s)))
    assert near.identical == (2, 3)
    assert near.verdict == "no different"


def test_identical_but_for_what_diverged_on_both_sides_is_no_different() -> None:
    lost = side(lambda g, s: math.nan if s == 3 else flat(g, s))
    found = compare(lost, lost)
    assert found.identical == (2, 2)
    assert found.verdict == "no different"


def test_one_seed_says_nothing_about_another() -> None:
    found = compare(side(flat, seeds=[1]), side(lambda g, s: flat(g, s) + 1, seeds=[1]))
    assert found.intervals == 0
    assert [one.difference.value for one in found.losses] == pytest.approx([1, 1, 1])
    assert found.verdict == "cannot be told"


def ill(_: float, seed: int) -> bool:
    return seed == 2


def test_a_run_that_became_sick_is_worse_even_where_the_loss_is_better() -> None:
    draw = np.random.default_rng(5)
    after = side(lambda g, s: flat(g, s) - 0.5 + draw.normal(0, 0.001), sick=ill)
    found = compare(side(flat), after)
    assert found.verdict == "worse"
    (turn,) = found.health.turns
    assert (turn.way, turn.seed, turn.before, turn.after) == (
        *("became sick", "2", "healthy"),
        "vanishing",
    )
    assert (turn.run, turn.fix) == ("study/1.0-2", "init.gain=tanh")
    assert found.reasons[0] == "1 became sick"
    assert "train loss is 0.5" in found.reasons[1]


def test_a_run_that_became_healthy_is_better() -> None:
    found = compare(side(flat, sick=ill), side(flat))
    assert [turn.way for turn in found.health.turns] == ["became healthy"]
    assert found.health.whole.before[0] == pytest.approx(2 / 3)
    assert found.health.verdicts == {"healthy": (2, 3), "vanishing": (1, 0)}
    assert found.verdict == "better"


def test_a_sick_run_with_another_verdict_has_not_become_worse() -> None:
    after = side(flat, sick=ill)
    after.runs.loc[after.runs["verdict"] == "vanishing", "verdict"] = "dead"
    found = compare(side(flat, sick=ill), after)
    assert [turn.way for turn in found.health.turns] == ["sick in another way"]
    assert found.verdict == "identical"


def test_runs_that_nobody_looked_at_are_neither() -> None:
    after = side(flat)
    after.runs.loc["study/1.0-1", ["verdict", "healthy"]] = ["unknown", None]
    found = compare(side(flat), after)
    assert found.health.turns == ()
    assert (found.health.whole.after.value, found.health.whole.after.n) == (1.0, 2)


@pytest.mark.parametrize(
    ("sick", "n", "worse"), [(3, 3, True), (1, 3, False), (5, 10, True), (2, 10, False)]
)
def test_without_pairs_all_must_turn_or_more_than_chance(sick: int, n: int, worse: bool) -> None:
    before = side(flat, seeds=range(n))
    after = side(flat, seeds=range(100, 100 + n), sick=lambda _, seed: seed < 100 + sick)
    found = compare(before, after)
    assert (found.verdict == "worse") == worse
    assert found.health.settings[0].chance == pytest.approx(_hypergeometric(sick, n))


def _hypergeometric(sick: int, n: int) -> float:
    """That all of so many sick ones of 2n runs fall to one side."""
    return math.comb(n, sick) / math.comb(2 * n, sick)


def test_what_is_measured_beside() -> None:
    before, after = side(flat), side(flat)
    after.numbers["profile"] = [0.5, 0.75, 1.0]
    after.numbers["step_time"] = math.log(2e-3)
    found = {one.quantity: one for one in compare(before, after).numbers}
    assert found["profile"].difference[:1] == (0.5,)
    assert found["profile"].difference.low < 0.5
    assert found["step_time"].difference.value == pytest.approx(math.log(2))
    assert math.isnan(found["step_time"].difference.low)
    assert found["gap"].difference.value == 0
