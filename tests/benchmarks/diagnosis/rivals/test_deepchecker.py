"""Each check on a record of which the tool's code and settings state the outcome."""

import math
from typing import Any

import pytest

from benchmarks.diagnosis.detectors import Alarm
from benchmarks.diagnosis.rivals.deepchecker import DEEPCHECKER
from benchmarks.diagnosis.rivals.look import Seen
from tests.benchmarks.diagnosis.made import WIDTH, layers, seen


def alarms(of: Seen) -> dict[str, Alarm]:
    """By check."""
    return DEEPCHECKER.alarms_of(of)


def raised(activation: str = "relu", step: int = 50, **changed: Any) -> dict[str, Alarm]:
    """By one look."""
    return alarms(seen((step, layers(activation, **changed)), activation=activation, steps=40))


def test_a_run_in_which_nothing_is_wrong_raises_nothing():
    looks = ((step, layers()) for step in (0, 10, 20, 30))
    falls = [math.log(27) * 0.99**step for step in range(40)]
    assert not alarms(seen(*looks, history=falls, steps=40))


@pytest.mark.parametrize(
    ("activation", "variance"),
    [("relu", 2 / WIDTH), ("tanh", 1 / WIDTH), ("sigmoid", 1 / WIDTH), ("gelu", 1.5 / WIDTH)],
)
def test_initial_weights_follow_he_glorot_or_lecun(activation: str, variance: float):
    """An F test with alpha 0.1: variances that differ by more than 2.70554 are not alike."""
    name = "initial weights"

    def first(factor: float) -> dict[str, Alarm]:
        return raised(activation, 0, W={"before_var": variance * factor})

    assert name not in first(1.0)
    assert first(1 / 6)[name].kinds == ("vanishing", "linear")
    assert first(6.0)[name].kinds == ("exploding", "saturated")


def test_constant_weights_are_named_first():
    found = raised(step=0, W1={"before_var": 0.0})["initial weights"]
    assert (found.kinds[0], found.layer) == ("symmetric", "layer1.W")


def test_a_last_layer_too_large_may_be_overconfident():
    found = raised(step=0, W2={"before_var": 1.0})["initial weights"]
    assert "overconfident" in found.kinds


@pytest.mark.parametrize(("factor", "found"), [(1.9, False), (2.1, True), (math.inf, True)])
def test_the_initial_loss_is_within_once_its_expected_value(factor: float, found: bool):
    history = [math.log(27) * factor, 3.0]
    assert ("initial loss" in alarms(seen(history=history))) == found


@pytest.mark.parametrize(("gap", "found"), [(0.05, True), (0.001, False)])
def test_gradients_agree_to_a_hundredth(gap: float, found: bool):
    # three gradients of norm 0.1: in all 0.1732; of one layer twice 0.1
    assert ("gradient check" in raised(W0={"gap": gap})) == found


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nothing_may_be_infinite_or_not_a_number(value: float):
    for changed in (
        {"W0": {"w_mean": value}},
        {"W0": {"g_mean": value}},
        {"act": {"y_mean": value}},
    ):
        assert "numerical instability" in raised(**changed)
    assert alarms(seen(history=[3.0, value]))["numerical instability"].step == 1


@pytest.mark.parametrize(("share", "found"), [(0.51, True), (0.5, False)])
def test_half_of_the_neurons_may_be_dead_or_saturated(share: float, found: bool):
    assert ("dead activations" in raised(act0={"y_dead": share})) == found
    assert ("saturated activations" in raised("tanh", act0={"y_edge": share})) == found
    assert "saturated activations" not in raised("relu", act0={"y_edge": share})
    assert "dead activations" not in raised("tanh", act0={"y_dead": share})
    assert "dead activations" not in raised(step=5, act0={"y_dead": share})  # from step 10 on


def test_activations_deviate_by_a_half_to_two():
    name = "activations' distribution"
    assert raised(act0={"act_std": 0.30})[name].kinds[0] == "vanishing"
    assert raised(act0={"act_std": 3.4})[name].kinds[0] == "exploding"
    assert name not in raised(act0={"act_std": 0.31}, act1={"act_std": 3.2})


def test_weights_are_neither_dead_nor_negative():
    assert "dead weights" in raised(W0={"w_small": 0.96})
    assert "negative weights" in raised(W0={"w_neg": 0.96})
    assert not {"dead weights", "negative weights"} & set(
        raised(W={"w_small": 0.94, "w_neg": 0.94})
    )


@pytest.mark.parametrize(
    ("column", "low", "high", "shrinks", "grows"),
    [
        ("g_abs", 1e-6, 1e6, "vanishing gradient", "exploding gradient"),
        ("w_abs", None, 1e8, None, "diverging weights"),
    ],
)
def test_sizes_stay_in_bounds_and_do_not_double(
    column: str, low: float | None, high: float, shrinks: str | None, grows: str
):
    assert grows in raised(W0={column: 1.1 * high})
    assert grows not in raised(W0={column: 0.9 * high})
    doubling = ((10 + at, layers(W0={column: 0.1 * 2.1**at})) for at in range(5))
    assert grows in alarms(seen(*doubling))
    slower = ((10 + at, layers(W0={column: 0.1 * 1.9**at})) for at in range(5))
    assert grows not in alarms(seen(*slower))
    if shrinks and low:
        assert shrinks in raised(W0={column: 0.9 * low})
        assert shrinks not in raised(W0={column: 1.1 * low})
        halving = ((10 + at, layers(W0={column: 0.1 * 0.4**at})) for at in range(5))
        assert shrinks in alarms(seen(*halving))


@pytest.mark.parametrize(
    ("moved", "name"), [(0.11, "fast updates"), (0.9e-4, "slow updates"), (0.09, ""), (1.1e-4, "")]
)
def test_updates_lie_between_minus_4_and_minus_1(moved: float, name: str):
    found = {"fast updates", "slow updates"} & set(raised(W1={"moved": moved}))
    assert found == ({name} if name else set())


def test_a_loss_falls_by_a_twentieth_in_one_of_four_periods():
    slow = [3.0 * 0.99 ** (step // 10) for step in range(50)]
    quick = [3.0 * 0.94 ** (step // 10) for step in range(50)]
    assert alarms(seen(history=slow))["stagnated loss"].step == 49
    assert "stagnated loss" not in alarms(seen(history=quick))


def test_a_loss_does_not_double_from_period_to_period():
    doubles = [2.1 ** (step // 10) for step in range(50)]
    assert "diverging loss" in alarms(seen(history=doubles))
    assert "diverging loss" not in alarms(seen(history=doubles[:40]))


def test_a_loss_turns_in_less_than_half_of_the_periods():
    turns = [3.0 + (step // 10 % 2) for step in range(100)]
    once = [3.0 - 0.01 * abs(step - 50) for step in range(100)]
    assert "fluctuating loss" in alarms(seen(history=turns))
    assert "fluctuating loss" not in alarms(seen(history=once))


def test_training_and_evaluation_agree():
    """In the loss to a half, in the activations to a similarity of three quarters."""
    name = "switch of modes"
    assert name in alarms(seen(losses={"train": 5.1, "by_batch": 2.5}))
    assert name not in alarms(seen(losses={"train": 4.9, "by_batch": 2.5}))
    assert name in alarms(seen(losses={"train": 2.5, "by_batch": 2.5, "similarity": 0.74}))
    assert name not in alarms(seen(losses={"train": 2.5, "by_batch": 2.5, "similarity": 0.76}))


def test_biases_begin_at_zero():
    bias = {"layer": 0, "node": "layer0", "rule": "linear", "tensor": "b"}
    for size, found in ((0.0, False), (0.1, True)):
        look = [*layers(), bias | {"before_abs": size, "w_mean": 0.1, "g_mean": 0.1}]
        assert ("initial biases" in alarms(seen((0, look)))) == found
