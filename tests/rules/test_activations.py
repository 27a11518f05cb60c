"""What is particular to each activation: its kinks, its saturation, its place in the registry."""

import math
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ninja.rules import (
    GELU,
    Activation,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Tanh,
    activations,
)

FUNCTIONS = {
    "relu": (ReLU(), functional.relu),
    "leaky_relu": (LeakyReLU(), functional.leaky_relu),
    "leaky_relu_steep": (LeakyReLU(0.3), lambda x: functional.leaky_relu(x, 0.3)),
}


def slope(rule: Activation, x: Tensor, *, fused: bool = False) -> Tensor:
    """φ′(x)."""
    backward = rule.backward_fused if fused else rule.backward
    dx, _ = backward({}, rule.forward({}, x), torch.ones_like(x))
    assert isinstance(dx, Tensor)
    return dx


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).unsqueeze(-1)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(
    ("rule", "value", "steepness"),
    [
        (Identity(), 0, 1),
        (Tanh(), 0, 1),
        (Sigmoid(), 0.5, 0.25),
        (ReLU(), 0, 0),
        (LeakyReLU(), 0, 0.01),
        (GELU(), 0, 0.5),
    ],
)
def test_value_and_slope_at_zero(
    rule: Activation, value: float, steepness: float, fused: bool
) -> None:
    assert rule.forward({}, column(0.0))["y"].item() == value
    assert slope(rule, column(0.0), fused=fused).item() == steepness


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tanh_is_a_gate_closed_at_saturation(dtype: torch.dtype) -> None:
    x = torch.tensor([[-1000.0, -30.0, 30.0, 1000.0, math.inf]], dtype=dtype)
    assert slope(Tanh(), x).eq(0).all()


def test_tanh_lets_through_what_its_output_leaves() -> None:
    assert slope(Tanh(), column(math.atanh(0.6))).item() == pytest.approx(1 - 0.6**2, rel=1e-15)


@pytest.mark.parametrize("x", [-1000.0, -40.0, 40.0, 1000.0])
def test_sigmoid_passes_next_to_nothing_when_saturated(x: float) -> None:
    assert 0 <= slope(Sigmoid(), column(x)).item() < 1e-17


@pytest.mark.parametrize("x", [-3.0, -0.1, 0.0, 0.1, 3.0])
def test_sigmoid_passes_a_quarter_at_best(x: float) -> None:
    assert slope(Sigmoid(), column(x)).item() <= 0.25


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_kink_is_torchs(name: str, fused: bool) -> None:
    """At 0, −0, and the smallest numbers beside them."""
    rule, function = FUNCTIONS[name]
    x = column(0.0, -0.0, 5e-324, -5e-324, 1.0, -1.0).requires_grad_()
    (expected,) = torch.autograd.grad(function(x).sum(), x)
    assert torch.equal(slope(rule, x.detach(), fused=fused), expected)


@pytest.mark.parametrize("steepness", [0.0, 0.01, 0.3, 1.0])
def test_a_leaky_relu_leaks_by_its_slope(steepness: float) -> None:
    rule, x = LeakyReLU(steepness), column(-2.0, 2.0)
    assert rule.forward({}, x)["y"].flatten().tolist() == [-2 * steepness, 2]
    assert slope(rule, x).flatten().tolist() == [steepness, 1]


@pytest.mark.parametrize("fused", [False, True])
def test_gelu_far_out_is_the_identity_or_nothing(fused: bool) -> None:
    x = column(-50.0, 50.0)
    assert GELU().forward({}, x)["y"].flatten().tolist() == [0, 50]
    assert slope(GELU(), x, fused=fused).flatten().tolist() == [0, 1]


def test_gelu_at_one_is_its_normal_probability() -> None:
    probability = 0.8413447460685429  # Φ(1)
    density = 0.24197072451914337  # φ(1)
    assert GELU().forward({}, column(1.0))["y"].item() == pytest.approx(probability, rel=1e-15)
    assert slope(GELU(), column(1.0)).item() == pytest.approx(probability + density, rel=1e-15)


# --- the registry --------------------------------------------------------------------------------


def test_the_registry_knows_them_by_name() -> None:
    found = activations()
    assert {Identity, Tanh, Sigmoid, ReLU, LeakyReLU, GELU} <= set(found.values())
    assert all(rule.name == name for name, rule in found.items())


@pytest.mark.parametrize(
    ("rule", "torchs"),
    [
        (Identity, ("linear",)),
        (Tanh, ("tanh",)),
        (Sigmoid, ("sigmoid",)),
        (ReLU, ("relu",)),
        (LeakyReLU, ("leaky_relu", 0.01)),
    ],
)
def test_a_gain_is_torchs(rule: type[Activation], torchs: tuple[object, ...]) -> None:
    assert rule.gain == torch.nn.init.calculate_gain(*torchs)


NEW_ACTIVATION = """
    from dataclasses import dataclass

    from ninja.cases import cases
    from ninja.gradcheck import check_rule
    from ninja.rules import Activation, activations


    @dataclass(frozen=True)
    class Cube(Activation):
        name = "cube"
        gain = 1.0

        def forward(self, params, x):
            return {"x": x, "y": x**3}

        def backward(self, params, saved, dy):
            return 3 * saved["x"].square() * dy, {}


    assert activations()["cube"] is Cube
    assert all(check.passed for check in check_rule("cube", cases()["cube"], seed=1))
"""


def test_a_new_activation_is_found_by_its_class_alone() -> None:
    """In a process of its own: a class, once defined, is there for every other test."""
    program = [sys.executable, "-c", textwrap.dedent(NEW_ACTIVATION)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cube" not in activations()
