"""T4: the ratios that Glorot & Bengio 2010 draw, 5 layers."""

import numpy as np
import pytest

from ninja.errors import TheoryError
from ninja.theory import (
    NAMED,
    delta_ratios,
    standard_variance,
    weight_gradient_ratios,
    xavier_variance,
)
from tests.faults import fault_of
from tests.theory.networks import delta_squares, pre_activations, seeded


def test_t4_linear() -> None:
    assert delta_ratios(5, 1000 * standard_variance(1000), "identity") == pytest.approx([3] * 4)


@pytest.mark.parametrize(
    ("variance", "ratios"),
    [
        (standard_variance(1000), [4.497, 3.388, 3.121, 3.039]),
        (xavier_variance(1000, 1000), [2.153, 1.571, 1.376, 1.279]),
    ],
)
def test_t4_tanh(variance: float, ratios: list[float]) -> None:
    assert delta_ratios(5, 1000 * variance, "tanh") == pytest.approx(ratios, abs=6e-4)


def test_t4_weight_gradients_are_flat() -> None:
    """From the second layer on: the first has the input, which no tanh has bounded."""
    np.testing.assert_allclose(weight_gradient_ratios(5, 1 / 3, "tanh")[1:], 1, atol=0.06)
    assert weight_gradient_ratios(5, 1 / 3, "identity") == pytest.approx([1] * 4)


@pytest.mark.parametrize(
    ("weight", "name", "variance"), [(0.7, "tanh", 2.0), (1.2, "gelu", 1.0), (5.0, "sigmoid", 1.0)]
)
def test_ratios_against_networks(weight: float, name: str, variance: float) -> None:
    random, made, depth = seeded("glorot", weight, name, variance), NAMED[name], 4
    squares, gradients = np.zeros(depth), np.zeros(depth)
    for _ in range(10):
        x = random.normal(size=(100, 400)) * np.sqrt(variance)
        layers = pre_activations(random, x, depth, weight, 0, made.function)
        squares += delta_squares(random, layers, made.slope)
        inputs = [x, *(made.function(h) for h, _ in layers[:-1])]
        gradients += [(one**2).mean() for one in inputs]
    gradients *= squares
    np.testing.assert_allclose(
        squares[1:] / squares[:-1], delta_ratios(depth, weight, name, variance), rtol=0.02
    )
    expected = weight_gradient_ratios(depth, weight, name, variance)
    np.testing.assert_allclose(gradients[1:] / gradients[:-1], expected, rtol=0.02)


@pytest.mark.parametrize(("depth", "weight"), [(1, 1.0), (5, 0.0), (5, -1.0)])
def test_what_it_does_not_know_is_said(depth: int, weight: float) -> None:
    assert "2 layers" in fault_of(lambda: delta_ratios(depth, weight, "tanh"), TheoryError)
