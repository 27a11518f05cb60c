"""T2's saturated shares, T3's dead ones, and what networks show."""

import math

import numpy as np
import pytest

from ninja.errors import TheoryError
from ninja.theory import (
    NAMED,
    activation,
    correlations,
    dead_share,
    dead_shares,
    fixed_point,
    flat_intervals,
    saturated_share,
    saturated_shares,
)
from tests.faults import fault_of
from tests.theory.networks import pre_activations, seeded

T2 = [
    (1, 0.0364, 2e-5, 0, 0),
    (5 / 3, 0.2093, 0.0701, 0.0540, 0.05394),
    (3, 0.4855, 0.4074, 0.4047, 0.40471),
]


@pytest.mark.parametrize(("gain", "first", "third", "tenth", "last"), T2)
def test_t2(gain: float, first: float, third: float, tenth: float, last: float) -> None:
    found = saturated_shares(10, gain**2, 0, "tanh")
    assert found[[0, 2, 9]] == pytest.approx([first, third, tenth], abs=6e-5)
    q = fixed_point(gain**2, 0, "tanh")
    assert saturated_share(q, "tanh") == pytest.approx(last, abs=5.1e-6)


@pytest.mark.parametrize(("bias", "samples", "share"), [(-3, 32, 0.579), (-4, 256, 0.549)])
def test_t3(bias: float, samples: int, share: float) -> None:
    assert dead_share(2, samples, bias=bias) == pytest.approx(share, abs=5e-4)


def test_a_sigmoid_saturates_as_the_tanh_of_half_its_input() -> None:
    assert saturated_share(3, "sigmoid") == pytest.approx(saturated_share(0.75, "tanh"), rel=1e-9)


def test_a_custom_function_saturates_between_the_bounds_it_is_given() -> None:
    made = activation(lambda x: 5 + np.tanh(x), bounds=(4, 6))
    assert saturated_share(1, made) == pytest.approx(saturated_share(1, "tanh"), rel=1e-9)


def test_where_slopes_are_zero() -> None:
    ((low, high),) = flat_intervals("relu")
    assert low == -math.inf
    assert high == pytest.approx(0, abs=1e-12)
    (below, above) = flat_intervals(activation(lambda x: np.clip(x, -0.7, 1.9)))
    assert below == pytest.approx((-math.inf, -0.7), abs=1e-4)
    assert above == pytest.approx((1.9, math.inf), abs=1e-4)
    assert flat_intervals("gelu") == [] or flat_intervals("gelu")[0][1] < -30


@pytest.mark.parametrize("samples", [1, 10, 1000])
def test_dead_units_between_no_correlation_and_full(samples: int) -> None:
    """Exchangeable samples of c = 1/2: with y ~ N(0, 1) shared, P = E[Φ(−y)^M] = 1/(M + 1)."""
    assert dead_share(2, samples, correlation=0) == pytest.approx(0.5**samples, rel=1e-9)
    assert dead_share(2, samples, correlation=0.5) == pytest.approx(1 / (samples + 1), rel=1e-9)
    assert dead_share(2, samples, correlation=1) == pytest.approx(0.5, rel=1e-9)
    assert dead_share(2, samples, correlation=1 - 1e-12) == pytest.approx(0.5, rel=1e-4)


def test_an_activation_without_a_flat_part_has_no_dead_units() -> None:
    for name in ("leaky_relu", "tanh", "identity"):
        assert dead_share(1, 4, name) == 0


@pytest.mark.parametrize(("gain", "name"), [(2, "tanh"), (1.4, "erf"), (9, "sigmoid")])
def test_saturated_shares_against_networks(gain: float, name: str) -> None:
    random, made, depth = seeded("saturated", gain, name), NAMED[name], 5
    low, high = made.bounds or (0, 0)
    measured = np.zeros(depth)
    for _ in range(6):
        x = random.normal(size=(64, 300))
        layers = pre_activations(random, x, depth, gain**2, 0, made.function)
        outputs = [2 * (made.function(h) - low) / (high - low) - 1 for h, _ in layers]
        measured += [(np.abs(y) > 0.97).mean() / 6 for y in outputs]
    np.testing.assert_allclose(
        measured, saturated_shares(depth, gain**2, 0, name), rtol=0.02, atol=0.002
    )


def test_dead_shares_against_networks() -> None:
    random, depth, nets = seeded("dead"), 5, 40
    measured = np.zeros(depth)
    for _ in range(nets):
        x = random.normal(size=(8, 400))
        layers = pre_activations(random, x, depth, 2, 0, NAMED["relu"].function)
        measured += [(h <= 0).all(0).mean() / nets for h, _ in layers]
    expected = dead_shares(depth, 2, 0, "relu", 8)
    np.testing.assert_allclose(measured, expected, rtol=0.02, atol=0.002)
    c = correlations(depth, 2, 0, "relu")
    assert expected[2] == pytest.approx(dead_share(2, 8, correlation=c[2]), rel=1e-9)


def test_what_it_does_not_know_is_said() -> None:
    assert "no bounds" in fault_of(lambda: saturated_share(1, "relu"), TheoryError)
    for call in (lambda: dead_share(1, 0), lambda: dead_share(1, 2, correlation=-0.1)):
        assert "correlation, samples" in fault_of(call, TheoryError)
    assert "no variance" in fault_of(lambda: dead_share(-1, 2), TheoryError)
