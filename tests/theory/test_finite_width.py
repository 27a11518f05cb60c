"""T6: exact moments of the log-norm, and thousands of narrow networks."""

import math

import numpy as np
import pytest

from ninja.errors import TheoryError
from ninja.theory import log_norm
from tests.faults import fault_of
from tests.theory.networks import seeded


def test_t6() -> None:
    mean, variance = log_norm([50] * 20)
    assert mean == pytest.approx(-1.035, abs=5e-4)
    assert variance == pytest.approx(2.163, abs=5e-4)
    assert 5 * 20 / 50 / variance == pytest.approx(0.92, abs=0.005)


def test_wide_layers_approach_the_first_order() -> None:
    for name, order in (("relu", 5), ("identity", 2)):
        _, variance = log_norm([10_000] * 3, 1.0, name)
        assert variance == pytest.approx(3 * order / 10_000, rel=1e-3)


def test_weights_shift_the_mean_alone() -> None:
    he, half = log_norm([40, 30, 20]), log_norm([40, 30, 20], 1.0)
    assert half[0] == pytest.approx(he[0] - 3 * math.log(2))
    assert half[1] == he[1]
    assert log_norm([]) == (0, 0)


@pytest.mark.parametrize(("widths", "name"), [((24, 60, 24, 40), "relu"), ((6, 12, 9), "identity")])
def test_against_networks(widths: tuple[int, ...], name: str) -> None:
    random, nets = seeded(widths, name), 20_000
    x, norm = np.ones((nets, 8)), np.ones(nets)
    for width in widths:
        fan_in = x.shape[1]
        W = random.normal(size=(nets, fan_in, width)) * math.sqrt(1.5 / fan_in)
        x = np.einsum("ni,nio->no", x, W)
        x = np.maximum(x, 0) if name == "relu" else x
    norm = np.log((x**2).mean(1))
    mean, variance = log_norm(widths, 1.5, name)
    assert norm.mean() == pytest.approx(mean, abs=4 * math.sqrt(variance / nets))
    assert norm.var() == pytest.approx(variance, rel=0.04)  # its own deviation is 1 %


@pytest.mark.parametrize(
    ("widths", "weight", "name", "said"),
    [
        ([50, 8], 2.0, "relu", "8 units are too narrow"),
        ([0], 2.0, "identity", "0 units are too narrow"),
        ([50], 2.0, "tanh", "only relu and identity are known"),
        ([50], 0.0, "relu", "weight_variance: 0.0"),
    ],
)
def test_what_it_does_not_know_is_said(
    widths: list[int], weight: float, name: str, said: str
) -> None:
    assert said in fault_of(lambda: log_norm(widths, weight, name), TheoryError)
