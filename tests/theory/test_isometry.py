"""T7: the spread of squared singular values, predicted, and of matrices as they are."""

import math

import numpy as np
import pytest

from ninja.errors import TheoryError
from ninja.theory import (
    NAMED,
    critical_weight_variance,
    fixed_point,
    jacobian_variance,
    lengths,
)
from ninja.theory.isometry import Ensemble
from tests.faults import fault_of
from tests.theory.networks import seeded


@pytest.mark.parametrize(("depth", "variance"), [(8, 8), (16, 16), (32, 32)])
def test_t7_gaussian_linear(depth: int, variance: float) -> None:
    assert jacobian_variance([1.0] * depth, "identity", "gaussian") == pytest.approx(variance)
    assert jacobian_variance([1.0] * depth, "identity", "orthogonal") == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("bias", "variance"), [(0.0025, 1.170), (0.05, 5.476)])
def test_t7_tanh_at_criticality_16_layers(bias: float, variance: float) -> None:
    q = fixed_point(critical_weight_variance(bias, "tanh"), bias, "tanh")
    assert jacobian_variance([q] * 16, "tanh", "orthogonal") == pytest.approx(variance, abs=6e-4)


@pytest.mark.parametrize(("weights", "variance"), [("orthogonal", 8), ("gaussian", 16)])
def test_t7_relu(weights: Ensemble, variance: float) -> None:
    assert jacobian_variance([1.0] * 8, "relu", weights) == pytest.approx(variance)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "weight", "weights"),
    [
        ("tanh", 2.5, "orthogonal"),
        ("tanh", 2.5, "gaussian"),
        ("gelu", 2.0, "gaussian"),
        ("relu", 2.0, "orthogonal"),
    ],
)
def test_against_networks(name: str, weight: float, weights: Ensemble) -> None:
    random, made, depth, width = seeded(name, weight, weights), NAMED[name], 2, 200
    found: list[float] = []
    for _ in range(240):
        x, J = random.normal(size=width), np.eye(width)
        for _ in range(depth):
            W = random.normal(size=(width, width))
            if weights == "orthogonal":
                Q, R = np.linalg.qr(W)
                W = math.sqrt(width) * Q * np.sign(np.diag(R))  # all directions alike
            W = W * math.sqrt(weight / width)
            h = W @ x
            J, x = made.slope(h)[:, None] * (W @ J), made.function(h)
        gram = J @ J.T
        found.append(width * (gram**2).sum() / np.trace(gram) ** 2 - 1)
    expected = jacobian_variance(lengths(depth, weight, 0, name), name, weights, width=width)
    assert np.mean(found) == pytest.approx(expected, rel=0.02)  # their deviation is 0.6 %


def test_what_it_does_not_know_is_said() -> None:
    said = fault_of(
        lambda: jacobian_variance([1.0] * 32, "identity", "gaussian", width=400), TheoryError
    )
    assert "too narrow for 32 layers" in said
    wrong: Ensemble = "gausian"  # pyright: ignore[reportAssignmentType]
    assert "gaussian?" in fault_of(lambda: jacobian_variance([1.0], "tanh", wrong), TheoryError)
