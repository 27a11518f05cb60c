"""The named activations are torch's and the rules'; others are looked at before they are used."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from ninja.errors import TheoryError
from ninja.rules import activations
from ninja.theory import NAMED, activation
from tests.faults import fault_of

X = np.concatenate([np.linspace(-30, 30, 1201), [-1e-9, 1e-9, -900.0, 900.0]])
OURS = {"identity": lambda x: x * 1, "erf": torch.erf}


@pytest.mark.parametrize("name", NAMED)
def test_a_named_one_is_torchs(name: str) -> None:
    twin = OURS.get(name) or getattr(functional, name, None) or getattr(torch, name)
    x = torch.tensor(X, requires_grad=True)
    y = twin(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    made = NAMED[name]
    np.testing.assert_allclose(made.function(X), y.detach().numpy(), rtol=1e-12, atol=1e-15)
    kink = (X == 0) & (name in ("elu", "selu"))  # torch takes one side there, we another
    np.testing.assert_allclose(made.slope(X)[~kink], slope.numpy()[~kink], rtol=1e-9, atol=1e-15)


def test_every_rules_activation_is_named() -> None:
    for name, rule in activations().items():
        if name in NAMED:
            y = rule().forward({}, torch.tensor(X))["y"].numpy()
            np.testing.assert_allclose(NAMED[name].function(X), y, rtol=1e-12, atol=1e-15)
    assert {"tanh", "sigmoid", "relu", "leaky_relu", "gelu", "identity"} <= set(NAMED)


@pytest.mark.parametrize("name", NAMED)
def test_bounds_are_never_left(name: str) -> None:
    made = NAMED[name]
    if made.bounds is not None:
        low, high = made.bounds
        assert made.function(X).min() >= low
        assert made.function(X).max() <= high


@pytest.mark.parametrize("name", NAMED)
def test_slopes_by_differences_are_close(name: str) -> None:
    made = activation(NAMED[name].function)
    x = X[(np.abs(X) > 1e-3) & (np.abs(X) < 20)]
    np.testing.assert_allclose(made.slope(x), NAMED[name].slope(x), atol=1e-6)


@pytest.mark.parametrize("kink", [0.0, 0.333, 1.0, -1.5, 3.0, 7.77, -60.0])
def test_a_panel_ends_at_every_kink(kink: float) -> None:
    made = activation(lambda x: np.abs(x - kink), slope=lambda x: np.sign(x - kink))
    assert min(abs(edge - kink) for edge in made.edges) < 0.004


def test_sharp_is_not_rough() -> None:
    for sharpness in (1, 20, 300):
        made = activation(lambda x, s=sharpness: np.tanh(s * x))
        assert len(made.edges) < 100


def test_itself_and_its_name() -> None:
    assert activation(NAMED["tanh"]) is NAMED["tanh"] is activation("tanh")
    assert NAMED["tanh"].still
    assert not NAMED["sigmoid"].still


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (np.sign, "jumps"),
        (np.floor, "too rough"),
        (lambda x: x + (x > 1.7), "jumps"),
        (lambda x: np.sin(1e6 * x), "too rough"),
        (torch.tanh, "fails on a numpy array"),
        (lambda x: x[:1], "of its shape"),
        (lambda x: np.log(x), "finite"),
        (lambda x: 1 + 0 * x, "constant"),
    ],
)
def test_what_it_cannot_use_is_said(function: object, said: str) -> None:
    assert said in fault_of(lambda: activation(function), TheoryError)  # pyright: ignore


def test_a_slope_that_cannot_be_is_said() -> None:
    assert "slope of tanh" in fault_of(lambda: activation(np.tanh, slope=np.sum), TheoryError)
