"""T5: the explosion of Yang 2019 at finite batch, its limits, and networks as wide as it needs."""

import math

import numpy as np
import pytest

from ninja.errors import TheoryError
from ninja.theory import NAMED, activation, batchnorm_growth, batchnorm_saturated_share
from ninja.theory.batchnorm import least_width
from tests.faults import fault_of
from tests.theory import networks


@pytest.mark.parametrize(
    ("name", "batch", "growth"),
    [
        ("relu", 32, 1.5225),
        ("relu", 128, 1.480),
        ("tanh", 32, 1.208),
        ("tanh", 128, 1.185),
        ("identity", 8, 6 / 5),
        ("identity", 16, 14 / 13),
        ("relu", math.inf, 1.46694),
        ("tanh", math.inf, 1.17781),
    ],
)
def test_t5(name: str, batch: float, growth: float) -> None:
    """The table's 1.5225 came from samples of the sphere: `test_the_closed_form` has 1.52195."""
    assert batchnorm_growth(batch, name) == pytest.approx(growth, rel=5e-4)


@pytest.mark.parametrize("batch", [4, 5, 7, 32, 1000])
def test_the_linear_case_is_exact(batch: int) -> None:
    assert batchnorm_growth(batch, "identity") == pytest.approx((batch - 2) / (batch - 3), rel=1e-9)


@pytest.mark.parametrize("B", [4, 5, 6, 32, 128, 1024])
def test_the_closed_form(B: int) -> None:
    """A ReLU sees the directions of a Gaussian, which the arc-cosine kernels know."""
    rho = -1 / (B - 1)
    theta = math.acos(rho)
    first = (math.sin(theta) + (math.pi - theta) * rho) / (2 * math.pi)
    zeroth = (math.pi - theta) / (2 * math.pi)
    trace = (B - 2) / 2 - 0.5 + (1 + (B - 1) * (zeroth + first)) / B
    expected = B * trace / ((B - 1) * (B - 3) * (0.5 - first))
    assert batchnorm_growth(B, "relu") == pytest.approx(expected, rel=1e-6)


def test_a_large_batch_is_nearly_an_infinite_one() -> None:
    for name in NAMED:
        far, limit = batchnorm_growth(20_000, name), batchnorm_growth(math.inf, name)
        assert far == pytest.approx(limit, rel=1e-3), name


def test_bessel_changes_what_is_not_homogeneous() -> None:
    assert batchnorm_growth(16, "relu", bessel=True) == pytest.approx(batchnorm_growth(16, "relu"))
    assert batchnorm_growth(16, "tanh", bessel=True) < batchnorm_growth(16, "tanh") - 0.005


@pytest.mark.parametrize(
    ("name", "batch", "width", "bessel"),
    [
        ("relu", 16, 200, False),
        ("gelu", 24, 256, False),
        ("tanh", 32, 256, True),
        ("tanh", 8, 400, False),
        ("elu", 16, 200, True),
    ],
)
@pytest.mark.slow
def test_growth_against_networks(name: str, batch: int, width: int, bessel: bool) -> None:
    random, made = networks.seeded(name, batch, width, bessel), NAMED[name]
    growths, shares = [], []
    for _ in range(16):
        growth, z = networks.batchnorm_growth(
            random, batch, width, 20, made.function, made.slope, bessel=bessel
        )
        growths.append(math.log(growth))
        shares.append((np.abs(made.function(z)) > 0.97).mean())
    expected = batchnorm_growth(batch, name, bessel=bessel, width=width)
    assert math.exp(np.mean(growths)) == pytest.approx(expected, rel=0.02)
    if name == "tanh" and width > 32 * batch:
        share = batchnorm_saturated_share(batch, name, bessel=bessel)
        assert np.mean(shares) == pytest.approx(share, rel=0.02)


def test_a_custom_function() -> None:
    hard = activation(lambda x: np.clip(x, -1, 1))
    steep = activation(lambda x: np.clip(x, -1, 1), slope=lambda x: np.where(abs(x) < 1, 1.0, 0.0))
    assert batchnorm_growth(32, hard) == pytest.approx(batchnorm_growth(32, steep), rel=1e-3)


def test_saturation_of_a_large_batch_is_a_gaussians() -> None:
    assert batchnorm_saturated_share(math.inf, "tanh") == pytest.approx(0.0364, abs=5e-5)
    assert batchnorm_saturated_share(50_000, "tanh") == pytest.approx(0.0364, abs=5e-5)
    assert batchnorm_saturated_share(4, "tanh") == 0  # √3 is the largest there is


def test_what_it_does_not_know_is_said() -> None:
    assert "too few" in fault_of(lambda: batchnorm_growth(3, "relu"), TheoryError)
    assert "too few" in fault_of(lambda: batchnorm_growth(math.nan, "relu"), TheoryError)
    said = fault_of(lambda: batchnorm_growth(128, "relu", width=500), TheoryError)
    assert "needs 1024" in said
    assert batchnorm_growth(128, "relu", width=1024) == batchnorm_growth(128, "relu")
    assert least_width(5) == math.inf
    assert "no bounds" in fault_of(lambda: batchnorm_saturated_share(8, "relu"), TheoryError)


@pytest.mark.parametrize(("name", "batch", "width"), [("tanh", 32, 40), ("identity", 8, 16)])
def test_where_it_refuses_it_is_off(name: str, batch: int, width: int) -> None:
    """A refusal that were not needed would be a defect too."""
    assert width < least_width(batch)
    random, made = networks.seeded("narrow", name, batch, width), NAMED[name]
    logs = [
        math.log(networks.batchnorm_growth(random, batch, width, 20, made.function, made.slope)[0])
        for _ in range(60)
    ]
    assert abs(math.exp(np.mean(logs)) / batchnorm_growth(batch, name) - 1) > 0.02
