"""The correlation map: closed forms, χ₁ as its slope at 1, and pairs of inputs in networks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninja.errors import TheoryError
from ninja.theory import (
    NAMED,
    activation,
    chi1,
    correlation_fixed_point,
    correlation_map,
    correlations,
    fixed_point,
    kernel,
)
from tests.faults import fault_of
from tests.theory.networks import pre_activations, seeded


def arc_cosine(c: float) -> float:
    """Cho & Saul 2009, of degree 1."""
    theta = math.acos(c)
    return (math.sin(theta) + (math.pi - theta) * c) / (2 * math.pi)


@pytest.mark.parametrize("c", [-1, -0.95, -0.3, 0, 0.2, 0.9, 0.9999, 1])
def test_the_kernel_of_relu_is_the_arc_cosine_kernel(c: float) -> None:
    assert kernel(c, 1, "relu") == pytest.approx(arc_cosine(c), abs=1e-12)
    assert kernel(c, 7, activation(lambda x: np.maximum(x, 0))) == pytest.approx(
        7 * arc_cosine(c), abs=1e-10
    )


@pytest.mark.parametrize("c", [-1, -0.4, 0, 0.4, 0.99, 1])
def test_the_kernel_of_erf_is_an_arc_sine(c: float) -> None:
    """Williams 1997."""
    expected = 2 / math.pi * math.asin(c * 2 * 3 / (1 + 2 * 3))
    assert kernel(c, 3, "erf") == pytest.approx(expected, abs=1e-10)


@settings(max_examples=20)
@given(st.floats(0.2, 1.5), st.floats(0.01, 1), st.sampled_from(["tanh", "erf", "elu"]))
def test_its_slope_at_1_is_chi(weight: float, bias: float, name: str) -> None:
    q = fixed_point(weight, bias, name)
    slope = (1 - correlation_map(1 - 1e-5, q, weight, bias, name)) / 1e-5
    assert slope == pytest.approx(chi1(q, weight, name), rel=1e-3)


def test_t1_in_the_ordered_phase_the_defect_decays_by_chi() -> None:
    c = correlations(40, 1, 0.05, "tanh", 0.3, 1)
    assert (1 - c[34]) / (1 - c[33]) == pytest.approx(0.7590, abs=1e-4)


def test_where_correlations_end() -> None:
    assert correlation_fixed_point(1, 0.05, "tanh") == 1
    assert correlation_fixed_point(2, 0, "relu") == 1
    assert correlation_fixed_point(4, 0, "tanh") == 0  # an odd function, no biases
    c = correlation_fixed_point(4, 0.05, "tanh")
    q = fixed_point(4, 0.05, "tanh")
    assert 0 < c < 1
    assert correlation_map(c, q, 4, 0.05, "tanh") == pytest.approx(c, abs=1e-9)
    assert correlations(200, 4, 0.05, "tanh", 0.9)[-1] == pytest.approx(c, abs=1e-9)


@pytest.mark.parametrize(
    ("weight", "bias", "name", "start"),
    [(4, 0.05, "tanh", 0.6), (2, 0, "relu", -0.5), (1.5, 0.2, "gelu", 0.0)],
)
def test_correlations_against_networks(weight: float, bias: float, name: str, start: float) -> None:
    width, depth, nets = 300, 6, 30
    random = seeded(weight, bias, name, start)
    products = np.zeros((depth, 3))
    for _ in range(nets):
        first = random.normal(size=(24, width))
        second = start * first + math.sqrt(1 - start**2) * random.normal(size=first.shape)
        both = np.concatenate([first, second])
        layers = pre_activations(random, both, depth, weight, bias, NAMED[name].function)
        for layer, (h, _) in enumerate(layers):
            a, b = h[:24], h[24:]
            products[layer] += (a * b).mean(), (a * a).mean(), (b * b).mean()
    measured = products[:, 0] / np.sqrt(products[:, 1] * products[:, 2])
    np.testing.assert_allclose(measured, correlations(depth, weight, bias, name, start), atol=0.012)


def test_what_it_does_not_know_is_said() -> None:
    assert "1.5" in fault_of(lambda: kernel(1.5, 1, "tanh"), TheoryError)
    assert "end at 0" in fault_of(lambda: correlation_fixed_point(0.5, 0, "tanh"), TheoryError)
    assert "without end" in fault_of(lambda: correlation_fixed_point(3, 0, "relu"), TheoryError)
    assert "no variance" in fault_of(lambda: correlations(3, 0, 0, "relu"), TheoryError)
