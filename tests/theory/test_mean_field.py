"""Poole 2016 and Schoenholz 2017: the table T1, its critical line, and networks as they are."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from ninja.errors import TheoryError
from ninja.theory import (
    NAMED,
    activation,
    chi1,
    critical_weight_variance,
    depth_scale,
    fixed_point,
    length,
    lengths,
    mean_square_slope,
)
from tests.faults import fault_of

T1 = [
    (0.5, 0, 0, 0.50000, 1.44),
    (0.9, 0, 0, 0.90000, 9.49),
    (1.0, 0.05, 0.1936, 0.75903, 3.63),
    (1.3, 0, 0.1649, 1.01839, -54.9),
    (25 / 9, 0, 1.1785, 1.20983, -5.25),
    (4, 0.05, 2.1955, 1.34240, -3.40),
    (9, 0, 6.3054, 1.85986, -1.61),
]
CRITICAL = [(0.0025, 1.26009), (0.01, 1.42421), (0.05, 1.76095), (0.1, 1.98607), (0.3, 2.50513)]


@pytest.mark.parametrize(("weight", "bias", "q", "chi", "xi"), T1)
def test_t1(weight: float, bias: float, q: float, chi: float, xi: float) -> None:
    found = fixed_point(weight, bias, "tanh")
    assert found == pytest.approx(q, abs=5e-5)
    assert chi1(found, weight, "tanh") == pytest.approx(chi, abs=5e-6)
    assert depth_scale(chi1(found, weight, "tanh")) == pytest.approx(xi, rel=2e-3)


def test_t1_at_criticality() -> None:
    q = fixed_point(1.76095, 0.05, "tanh")
    assert q == pytest.approx(0.5700, abs=5e-5)
    assert chi1(q, 1.76095, "tanh") == pytest.approx(1, abs=5e-6)
    assert abs(depth_scale(chi1(q, 1.76095, "tanh"))) > 1e5


@pytest.mark.parametrize(("bias", "weight"), CRITICAL)
def test_the_critical_line_of_tanh(bias: float, weight: float) -> None:
    assert critical_weight_variance(bias, "tanh") == pytest.approx(weight, abs=5.1e-6)


@pytest.mark.parametrize(("name", "weight"), [("relu", 2), ("tanh", 1), ("identity", 1)])
def test_without_biases_the_critical_weight_variance_is_a_known_number(
    name: str, weight: float
) -> None:
    assert critical_weight_variance(0, name) == pytest.approx(weight, rel=1e-12)


def test_the_level_of_t1() -> None:
    assert mean_square_slope(fixed_point(4, 0.05, "tanh"), "tanh") == pytest.approx(
        0.3356, abs=5e-5
    )


@pytest.mark.parametrize(("depth", "log"), [(10, -2.54), (30, -3.70), (100, -4.93)])
def test_at_gain_1_gradients_vanish_algebraically(depth: int, log: float) -> None:
    """T2's second table: from layer 1 to layer l there are l − 1 factors."""
    q = lengths(depth - 1, 1, 0, "tanh")
    assert sum(math.log(chi1(one, 1, "tanh")) for one in q) == pytest.approx(log, abs=6e-3)


@pytest.mark.parametrize(("weight", "chi"), [(2, 1), (1, 0.5)])
def test_t3(weight: float, chi: float) -> None:
    for q in (0.0, 1e-12, 1.0, 1e9):
        assert chi1(q, weight, "relu") == pytest.approx(chi, rel=1e-12)


def test_a_fixed_point_of_selu_is_what_it_was_made_for() -> None:
    """Klambauer et al. 2017: zero mean and unit variance stay."""
    assert fixed_point(1, 0, "selu") == pytest.approx(1, rel=1e-6)


def test_relu_keeps_any_length_at_its_critical_point() -> None:
    assert fixed_point(2, 0, "relu") == 1.0
    assert fixed_point(2, 0, "relu", start=3.0) == 3.0


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("q", [1e-6, 0.3, 1.0, 40.0, 1e4])
def test_means_against_adaptive_quadrature(name: str, q: float) -> None:
    made = NAMED[name]
    scale = math.sqrt(q)

    def integrand(x: float) -> float:
        density = math.exp(-(x**2) / (2 * q)) / (scale * math.sqrt(2 * math.pi))
        return float(made.slope(np.array([x]))[0]) ** 2 * density

    cuts = [-8 * scale, *sorted({-4.0, -1.0, 0.0, 1.0, 4.0, -scale, scale}), 8 * scale]
    cuts = [cut for cut in cuts if abs(cut) <= 8 * scale]
    expected = sum(quad(integrand, a, b, epsabs=1e-14)[0] for a, b in pairwise(cuts))
    assert mean_square_slope(q, name) == pytest.approx(expected, rel=1e-7)


@given(st.floats(0.05, 30), st.floats(0, 4), st.sampled_from(["tanh", "erf", "sigmoid"]))
def test_a_fixed_point_is_one(weight: float, bias: float, name: str) -> None:
    q = fixed_point(weight, bias, name)
    assert length(q, weight, bias, name) == pytest.approx(q, rel=1e-9, abs=1e-12)


@settings(max_examples=25)
@given(st.floats(0.001, 3), st.sampled_from(["tanh", "erf", "elu", "selu"]))
def test_on_the_critical_line_gradients_keep_their_size(bias: float, name: str) -> None:
    weight = critical_weight_variance(bias, name)
    assert chi1(fixed_point(weight, bias, name), weight, name) == pytest.approx(1, rel=1e-6)


@given(st.floats(0.1, 6), st.floats(0, 2), st.sampled_from(["tanh", "relu", "gelu", "elu"]))
def test_a_custom_function_is_what_it_equals(weight: float, q: float, name: str) -> None:
    """Without its slope, and without a word about its kinks."""
    made = activation(NAMED[name].function)
    assert chi1(q, weight, made) == pytest.approx(chi1(q, weight, name), rel=2e-4, abs=1e-9)


def hard(x: np.ndarray) -> np.ndarray:
    return np.clip(x, -0.7, 1.9)


def test_kinks_are_found_wherever_they_are() -> None:
    inside = 0.5 * (math.erf(1.9 / math.sqrt(6)) + math.erf(0.7 / math.sqrt(6)))
    assert mean_square_slope(3.0, activation(hard)) == pytest.approx(inside, rel=1e-4)
    slope = activation(hard, slope=lambda x: (x > -0.7) * (x < 1.9))
    assert mean_square_slope(3.0, slope) == pytest.approx(inside, rel=1e-6)


def simulated_chi(weight: float, bias: float, name: str, seed: int) -> float:
    """Slope of log E|δ|² against depth in networks of random weights, at q*."""
    width, depth, batch = 400, 24, 16
    random, made = np.random.default_rng(seed), NAMED[name]
    start = fixed_point(weight, bias, name)
    h, saved = math.sqrt(start) * random.normal(size=(batch, width)), []
    for _ in range(depth):
        W = random.normal(size=(width, width)) * math.sqrt(weight / width)
        saved.append((h, W))
        h = made.function(h) @ W + random.normal(size=width) * math.sqrt(bias)
    delta, logs = random.normal(size=h.shape), []
    for h, W in reversed(saved):
        delta = made.slope(h) * (delta @ W.T)
        logs.append(math.log((delta**2).mean()))
    return math.exp(np.polyfit(range(depth - 4), logs[2:-2], 1)[0])


@pytest.mark.parametrize(
    ("weight", "bias", "name"),
    [
        (1.5, 0.2, "tanh"),
        (6, 0.5, "erf"),
        (1.2, 0.3, "gelu"),
        (1.5, 0.1, "relu"),
        (1.4, 0.1, "elu"),
    ],
)
def test_chi_against_networks(weight: float, bias: float, name: str) -> None:
    seed = round(1000 * weight + 10 * bias) + len(name)
    measured = np.mean([simulated_chi(weight, bias, name, 7919 * seed + i) for i in range(4)])
    expected = chi1(fixed_point(weight, bias, name), weight, name)
    assert measured == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: fixed_point(3, 0, "relu"), "grow without end"),
        (lambda: fixed_point(2, 0.1, "relu"), "grow without end"),
        (lambda: fixed_point(-1, 0, "tanh"), "weight_variance: -1"),
        (lambda: fixed_point(1, math.nan, "tanh"), "bias_variance: nan"),
        (lambda: fixed_point(1, 0, "tanh", start=0), "start: 0"),
        (lambda: chi1(-1, 1, "tanh"), "q: -1"),
        (lambda: length(math.nan, 1, 0, "tanh"), "q: nan"),
        (lambda: lengths(3, 1, 0, "tanh", -1), "q: -1"),
        (lambda: lengths(3000, 9, 0, "relu"), "beyond all numbers in layer"),
        (lambda: fixed_point(1, 0, "tan"), "did you mean tanh?"),
        (lambda: critical_weight_variance(0.1, "relu"), "no critical weight variance"),
        (lambda: critical_weight_variance(0, "gelu"), "no critical weight variance"),
        (lambda: depth_scale(-0.1), "chi: -0.1"),
        (lambda: depth_scale(math.nan), "chi: nan"),
        (lambda: activation(np.sign), "jumps"),
        (lambda: activation(lambda x: np.exp(99 * x)), "finite"),
        (lambda: activation(math.tanh), "fails on a numpy array"),
        (lambda: activation(np.sum), "of its shape"),
        (lambda: activation(np.zeros_like), "constant"),
    ],
)
def test_what_the_theory_does_not_know_is_said(call: Callable[[], object], said: str) -> None:
    assert said in fault_of(call, TheoryError)


def test_depth_scales_at_the_ends() -> None:
    assert depth_scale(0) == 0
    assert depth_scale(1) == math.inf


@pytest.mark.parametrize("start", [1e-20, 1e-300])
def test_small_inputs_come_to_the_same_lengths(start: float) -> None:
    assert fixed_point(25 / 9, 0.0, "tanh", start) == pytest.approx(1.17848, abs=1e-5)
