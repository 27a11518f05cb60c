"""Specification of the two terms of the gradient noise scale."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from ninja.probes import noise_terms

sizes = st.tuples(st.integers(1, 100), st.integers(1, 100)).map(lambda p: (p[0], p[0] + p[1]))


@given(sizes, st.floats(0, 1e3), st.floats(0, 1e3))
def test_the_terms_of_exact_expectations_are_exact(
    batches: tuple[int, int], trace: float, norm2: float
) -> None:
    small, big = batches
    given_ = [torch.tensor(norm2 + trace / b, dtype=torch.float64) for b in batches]
    found_trace, found_norm2 = noise_terms(given_[0], given_[1], small, big)
    assert found_trace.item() == pytest.approx(trace, rel=1e-6, abs=1e-6)
    assert found_norm2.item() == pytest.approx(norm2, rel=1e-6, abs=1e-6)


def test_averages_over_many_steps_find_the_scale_of_gaussian_gradients() -> None:
    """tr(Σ) = 20 · 4 and |G|² = 20 · 0.25: a noise scale of 16."""
    generator = Generator().manual_seed(1)
    examples = 0.5 + 2 * torch.randn(20_000, 8, 20, generator=generator, dtype=torch.float64)
    big = examples.mean(1).square().sum(-1)
    small = examples[:, :2].mean(1).square().sum(-1)
    trace, norm2 = (term.mean() for term in noise_terms(small, big, 2, 8))
    assert trace.item() == pytest.approx(80, rel=0.02)
    assert norm2.item() == pytest.approx(5, rel=0.05)
    assert (trace / norm2).item() == pytest.approx(16, rel=0.05)


def test_each_replica_has_its_own_terms() -> None:
    small, big = torch.tensor([3.0, 5.0, float("nan")]), torch.tensor([2.0, 1.0, 1.0])
    trace, norm2 = noise_terms(small, big, 1, 4)
    for replica in range(2):
        alone = noise_terms(small[replica], big[replica], 1, 4)
        assert (trace[replica], norm2[replica]) == alone
    assert trace[2].isnan()
    assert norm2[2].isnan()


@pytest.mark.parametrize("batches", [(0, 4), (4, 4), (8, 4), (-1, 4)])
def test_batches_that_tell_nothing_are_refused(batches: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="small < big"):
        noise_terms(torch.tensor(1.0), torch.tensor(1.0), *batches)
