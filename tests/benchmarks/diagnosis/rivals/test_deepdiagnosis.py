"""Each symptom on a record of which the tool's code states the outcome."""

import math
from typing import Any

import pytest

from benchmarks.diagnosis.detectors import Alarm
from benchmarks.diagnosis.rivals.deepdiagnosis import DEEPDIAGNOSIS
from benchmarks.diagnosis.rivals.look import Seen
from tests.benchmarks.diagnosis.made import layers, seen

EPOCHS = 25


def alarms(of: Seen) -> dict[str, Alarm]:
    """By symptom."""
    return DEEPDIAGNOSIS.alarms_of(of)


def epochs(activation: str = "relu", count: int = EPOCHS, **changed: Any) -> Seen:
    """As many looks, in which everything moves but for what is told."""

    def look(at: int) -> list[dict[str, Any]]:
        moving = {"w_mean": 0.01 + 1e-4 * at, "g_mean": 1e-4 * (1 + at)}
        told = {key: value for key, value in changed.items() if key != "W"}
        weights = moving | changed.get("W", {})
        return layers(activation, W=weights, act={"y_mean": 0.4 + 0.01 * at}, **told)

    looks = ((10 * at, look(at)) for at in range(count))
    rising = [0.1 + 1e-3 * step for step in range(300)]
    return seen(*looks, activation=activation, accuracy=rising)


def test_a_run_in_which_nothing_is_wrong_raises_nothing():
    assert not alarms(epochs())
    assert not alarms(epochs("tanh"))


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0])
def test_numerical_errors_are_means_that_are_not_finite_or_zero(value: float):
    assert "Numerical Error (weights)" in alarms(epochs(W0={"w_mean": value}))
    assert "Numerical Error (delta weights)" in alarms(epochs(W0={"g_mean": value}))
    assert "Numerical Error (forward)" in alarms(epochs(act0={"y_mean": value}))


@pytest.mark.parametrize(("off", "dead"), [(0.7, True), (0.69, False)])
def test_dead_nodes_are_asked_of_relu_at_the_last_epoch(off: float, dead: bool):
    assert ("Dead Node" in alarms(epochs(act1={"y_off": off}))) == dead
    assert "Dead Node" not in alarms(epochs("tanh", act1={"y_off": off}))


@pytest.mark.parametrize(("share", "found"), [(0.51, True), (0.5, False)])
def test_saturation_is_asked_every_fifth_epoch(share: float, found: bool):
    of = alarms(epochs("tanh", x1={"x_5": share}))
    assert ("Saturated Activation" in of) == found
    if found:
        assert of["Saturated Activation"].step == 40
    assert "Saturated Activation" not in alarms(epochs("tanh", count=4, x1={"x_5": share}))
    assert "Saturated Activation" not in alarms(epochs("relu", x1={"x_5": share}))


@pytest.mark.parametrize(("mean", "found"), [(0.9e-7, True), (1.1e-7, False)])
def test_vanishing_gradients_have_a_mean_below_the_threshold(mean: float, found: bool):
    assert ("Vanishing Gradient" in alarms(epochs(W1={"g_abs": mean}))) == found


def test_what_stays_the_same_for_five_epochs_is_unchanged():
    assert "Unchange Tensor (weights)" in alarms(epochs(W0={"w_mean": 0.01}))
    assert "Unchange Tensor (delta weights)" in alarms(epochs(W0={"g_mean": 0.01}))
    assert "Unchange Tensor (forward)" in alarms(epochs(act0={"y_mean": 0.4}))
    assert "Unchange Tensor (weights)" not in alarms(epochs(count=4, W0={"w_mean": 0.01}))


def test_the_loss_and_the_accuracy_must_change():
    looks = [(step, layers()) for step in range(20)]
    still = alarms(seen(*looks, history=[3.0] * 20, accuracy=[0.1] * 20))
    assert still["Loss Not Decreasing"].step == 4
    assert still["Accuracy Not Increasing"].step == 19


def test_a_loss_that_is_none_is_invalid():
    assert alarms(seen(history=[3.0, 2.9, math.nan]))["Invalid Loss"].step == 2
