"""Each rule on a record of which its documentation states the outcome."""

import math
from typing import Any

import pytest

from benchmarks.diagnosis.detectors import Alarm
from benchmarks.diagnosis.rivals.look import Seen
from benchmarks.diagnosis.rivals.sagemaker import SAGEMAKER
from tests.benchmarks.diagnosis.made import layers, seen


def alarms(of: Seen) -> dict[str, Alarm]:
    """By rule."""
    return SAGEMAKER.alarms_of(of)


def raised(activation: str = "relu", step: int = 50, **changed: Any) -> dict[str, Alarm]:
    """By one look."""
    return alarms(seen((step, layers(activation, **changed)), activation=activation))


def test_a_run_in_which_nothing_is_wrong_raises_nothing():
    assert not alarms(seen(*((step, layers()) for step in (0, 1, 2, 25, 100))))


@pytest.mark.parametrize(("mean", "vanishes"), [(0.9e-7, True), (1.1e-7, False)])
def test_vanishing_gradient(mean: float, vanishes: bool):
    """ "If the mean of the absolute values of the gradients drops below a specified threshold"."""
    found = raised(W0={"g_abs": mean})
    assert ("VanishingGradient" in found) == vanishes
    if vanishes:
        assert found["VanishingGradient"].kinds == ("vanishing",)
        assert found["VanishingGradient"].layer == "layer0.W"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_exploding_tensor(value: float):
    """ "Either infinite or NaN": of any tensor, and of the loss."""
    assert "ExplodingTensor" in raised(W1={"w_mean": value})
    assert "ExplodingTensor" in alarms(seen(history=[3.0, value]))
    assert alarms(seen(history=[3.0, value]))["ExplodingTensor"].step == 1


@pytest.mark.parametrize(("silent", "dead"), [(0.51, True), (0.49, False)])
def test_dead_relu(silent: float, dead: bool):
    """ "If the percent of inactive ReLUs in a layer is greater than threshold_layer", 50 %."""
    assert ("DeadRelu" in raised(act1={"y_silent": silent})) == dead
    assert "DeadRelu" not in raised("tanh", act1={"y_silent": silent})


@pytest.mark.parametrize(("activation", "column"), [("tanh", "x_9"), ("sigmoid", "x_23")])
def test_saturated_activation(activation: str, column: str):
    """ "If more than a threshold_layer percent of the nodes are saturated"."""
    assert "SaturatedActivation" in raised(activation, x0={column: 0.51})
    assert "SaturatedActivation" not in raised(activation, x0={column: 0.49})
    assert "SaturatedActivation" not in raised("relu", x0={column: 0.51})


@pytest.mark.parametrize(
    ("ratio", "kind"), [(11.0, "unstable"), (0.9e-8, "stalled"), (9.0, ""), (1.1e-8, "")]
)
def test_weight_update_ratio(ratio: float, kind: str):
    """Larger than large_threshold, 10, or smaller than small_threshold, 0.00000001."""
    found = raised(W1={"moved": ratio}).get("WeightUpdateRatio")
    assert (found.kinds[0] if found else "") == kind


def test_poor_weight_initialization():
    """Variances of inputs apart by more than 10, or gradients narrower than 0.001, at first."""
    name = "PoorWeightInitialization"
    shrinks = raised(step=0, x0={"x_var": 1.1}, x1={"x_var": 0.1})[name]
    grows = raised(step=0, x0={"x_var": 0.1}, x1={"x_var": 1.1})[name]
    assert (shrinks.kinds[0], grows.kinds[0]) == ("vanishing", "exploding")
    assert name not in raised(step=0, x0={"x_var": 0.9}, x1={"x_var": 0.1})
    assert name in raised(step=0, W0={"g_p5": -4e-4, "g_p95": 4e-4})
    assert name not in raised(step=10, W0={"g_p5": -4e-4, "g_p95": 4e-4})


def test_loss_not_decreasing():
    """Less than 0.1 percent lower than when it was saved before; 5 percent higher."""
    name = "LossNotDecreasing"
    flat = alarms(seen(history=[3.0] * 101))
    assert (flat[name].step, flat[name].kinds) == (100, ("stalled",))
    assert name not in alarms(seen(history=[3.0] * 100 + [2.99]))
    assert alarms(seen(history=[3.0] * 100 + [3.2]))[name].kinds[0] == "unstable"


def test_tensor_variance():
    """The thresholds of its example: 0.00001 and 10."""
    assert raised(W0={"w_var": 0.9e-5})["TensorVariance"].kinds[0] == "symmetric"
    assert raised(W0={"w_var": 11.0})["TensorVariance"].kinds[0] == "exploding"
    assert "TensorVariance" not in raised(W0={"w_var": 9.0}, W1={"w_var": 1.1e-5})


def test_all_zero():
    """ "If all of the tensor values are zero", 100 percent of them."""
    assert raised(W0={"weight_norm": 0.0})["AllZero"].kinds == ("symmetric",)
    assert raised(act0={"y_silent": 1.0})["AllZero"].kinds == ("dead",)
    assert "vanishing" in raised(W0={"g_zero": 1.0})["AllZero"].kinds
    assert "AllZero" not in raised(W0={"g_zero": 0.999}, act0={"y_silent": 0.999})


def test_unchanged_tensor():
    """Over num_steps, 3, steps that were saved."""
    still, moving = layers(W1={"moved": 1e-6}), layers()
    assert "UnchangedTensor" in alarms(seen((0, still), (25, still), (50, still)))
    assert "UnchangedTensor" not in alarms(seen((0, still), (25, moving), (50, still)))
    assert "UnchangedTensor" not in alarms(seen((0, still), (25, still)))
