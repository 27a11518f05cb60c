"""T12, and activations counted while a chain is pulled back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja.errors import TheoryError
from ninja.theory import best_segments, saved_activations, time_factor
from tests.faults import fault_of


def test_t12() -> None:
    counts = [saved_activations(64, segments) for segments in (1, 2, 4, 8, 16, 32, 64)]
    assert counts == [65, 34, 20, 16, 20, 34, 65]
    assert best_segments(64) == 8
    assert 1.3 <= time_factor() <= 1.5


def most_kept(depth: int, segments: int) -> int:
    """Inputs of all segments, and of one at a time every layer's output: counted one by one."""
    length = -(-depth // segments)
    starts = set(range(0, depth, length))
    return max(
        segments + sum(start <= layer < start + length for layer in range(depth))
        for start in starts
    )


@given(st.integers(1, 200).flatmap(lambda depth: st.tuples(st.just(depth), st.integers(1, depth))))
def test_counts(of: tuple[int, int]) -> None:
    assert saved_activations(*of) == most_kept(*of)


@given(st.integers(1, 300))
def test_the_best_number_of_segments_is_about_the_root(depth: int) -> None:
    best = best_segments(depth)
    assert abs(best - depth**0.5) <= 1.5 + depth**0.25
    kept = saved_activations(depth, best)
    assert kept == min(saved_activations(depth, k) for k in range(1, depth + 1))


@pytest.mark.parametrize(("depth", "segments"), [(4, 0), (4, 5), (0, 1)])
def test_what_cannot_be_is_said(depth: int, segments: int) -> None:
    assert "segments" in fault_of(lambda: saved_activations(depth, segments), TheoryError)
