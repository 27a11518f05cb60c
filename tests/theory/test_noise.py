"""The noise scale's two terms: exact where the expectations are, and from batches as they come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja.errors import TheoryError
from ninja.theory import noise_scale, noise_terms
from tests.faults import fault_of
from tests.theory.networks import seeded

sizes = st.tuples(st.integers(1, 1000), st.integers(1, 1000)).map(lambda ab: (ab[0], sum(ab)))


@given(st.floats(0, 1e6), st.floats(0, 1e6), sizes)
def test_expected_norms_give_the_terms_back(
    trace: float, norm2: float, ab: tuple[int, int]
) -> None:
    small, big = ab
    found = noise_terms(norm2 + trace / small, norm2 + trace / big, small, big)
    scale = (norm2 + trace) * big / (big - small)
    assert found[0] == pytest.approx(trace, abs=1e-9 * (scale * small + 1))
    assert found[1] == pytest.approx(norm2, abs=1e-9 * (scale + 1))


def test_against_batches() -> None:
    """Gradients of 30 numbers with a known mean and covariance, at 32 and 512 as in T11."""
    random = seeded("noise")
    mean, std = random.normal(size=30), np.linspace(1, 9, 30)
    norms = []
    for _ in range(400):
        examples = mean + std * random.normal(size=(512, 30))
        small = examples.reshape(16, 32, 30).mean(1)
        norms.append([(small**2).sum(1).mean(), (examples.mean(0) ** 2).sum()])
    trace, norm2 = noise_terms(*np.array(norms).T, 32, 512)
    assert trace.shape == (400,)
    assert noise_scale(trace, norm2) == pytest.approx((std**2).sum() / (mean**2).sum(), rel=0.02)


def test_means_are_taken_apart() -> None:
    assert noise_scale([2.0, 4.0], [1.0, 2.0]) == 2
    assert noise_scale([1.0, 1.0], [3.0, -1.0]) == 1


def test_what_it_does_not_know_is_said() -> None:
    assert "norm2" in fault_of(lambda: noise_scale([1.0], [-1.0]), TheoryError)
    for small, big in ((512, 32), (32, 32), (0, 32)):
        assert "two sizes" in fault_of(lambda s=small, b=big: noise_terms(1, 1, s, b), TheoryError)
