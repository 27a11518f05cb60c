"""Each check on a record of which the tool's code states the outcome."""

import math
from typing import Any

import pytest

from benchmarks.diagnosis.detectors import Alarm
from benchmarks.diagnosis.rivals.autotrainer import TASK, autotrainer
from benchmarks.diagnosis.rivals.look import Seen
from tests.benchmarks.diagnosis.made import layers, seen

POOR, WELL = TASK.theta - 0.05, TASK.theta + 0.1


def climbing(start: float = 0.0, gain: float = 0.02, epochs: int = 12) -> list[float]:
    """The accuracy of every step, higher by this each epoch."""
    return [start + gain * (step // TASK.epoch) for step in range(epochs * TASK.epoch)]


def alarms(of: Seen) -> dict[str, Alarm]:
    """By check."""
    return autotrainer(TASK).alarms_of(of)


def judged(accuracy: float | list[float] = POOR, **changed: Any) -> dict[str, Alarm]:
    """By a look after three tenths of the run."""
    values = accuracy if isinstance(accuracy, list) else [accuracy] * 300
    return alarms(seen((150, layers(**changed)), accuracy=values))


def test_a_run_that_learns_raises_nothing():
    assert not judged(climbing(0.1))


@pytest.mark.parametrize(("first", "found"), [(7.1, True), (6.9, False)])
def test_exploding_is_a_first_gradient_70_times_the_last(first: float, found: bool):
    of = {"W0": {"grad_norm": first}, "W2": {"grad_norm": 0.1}}
    assert ("explode" in judged(**of)) == found
    assert "explode" not in judged(WELL, **of)  # asked only of a run that has not converged


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [(0.9e-4, 1.0, True), (0.9e-4, 0.05, False), (1.1e-4, 1.0, False)],
)
def test_vanishing_is_a_ratio_below_beta_1_and_a_norm_below_beta_2(
    first: float, last: float, found: bool
):
    of = judged(W0={"grad_norm": first}, W2={"grad_norm": last})
    assert ("vanish" in of) == found


@pytest.mark.parametrize(("zeros", "found"), [(0.71, True), (0.69, False)])
def test_dying_relu_is_gamma_of_all_gradients(zeros: float, found: bool):
    assert ("dying relu" in judged(W={"g_zero": zeros})) == found
    assert "dying relu" not in judged(WELL, W={"g_zero": zeros})


@pytest.mark.parametrize(("gain", "found"), [(0.009, True), (0.011, False)])
def test_slow_convergence_is_no_epoch_that_gains_delta(gain: float, found: bool):
    assert ("slow convergence" in alarms(seen(accuracy=climbing(gain=gain)))) == found


@pytest.mark.parametrize(("swing", "found"), [(0.035, True), (0.025, False)])
def test_oscillating_is_a_swing_of_zeta_in_eta_of_the_epochs(swing: float, found: bool):
    of = [WELL + swing * (step // TASK.epoch % 2) for step in range(300)]
    assert ("oscillating" in alarms(seen(accuracy=of))) == found
    of = [POOR - swing * (step // TASK.epoch % 2) for step in range(300)]
    assert "oscillating" not in alarms(seen(accuracy=of))  # it must have converged


@pytest.mark.parametrize("loss", [math.nan, math.inf, 1e5])
def test_a_loss_that_is_none_or_enormous_explodes(loss: float):
    found = alarms(seen(history=[3.0, loss], accuracy=climbing(0.1)))
    assert found["explode (not finite)"].step == 1


def test_nothing_is_said_of_the_accuracy_in_the_first_three_tenths():
    of = seen((75, layers(W={"g_zero": 1.0})), accuracy=[POOR] * 89, history=[3.0] * 89)
    assert not alarms(of)
