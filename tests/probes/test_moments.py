"""Specification of norms and variances: the fast way and the sure one meet at the bounds."""

import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ninja.probes import moments
from ninja.probes.moments import (
    CANCELLED,
    LARGE,
    SMALL,
    bessel,
    host,
    is_safe,
    means,
    mend_norms,
    mend_variances,
    norms,
    split,
    variances,
)
from tests.probes.steps import DTYPES, normal

STACKS = (1, 2, 5)
EPS = 2.0**-23


class Taken(NamedTuple):
    """What was found of one tensor, (B,) each."""

    norm: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def taken(tensor: Tensor) -> Taken:
    """Of (B, ...)."""
    one = [tensor.flatten(1)]
    norm, mean, size = host(norms(one)), host(means(one)), np.array([[float(one[0].shape[1])]])
    mend_norms(norm, one)
    with np.errstate(all="ignore"):
        variance = variances(norm, mean, size)
        mend_variances(variance, norm, size, one)
    return Taken(norm[0], mean[0], variance[0])


def exact(tensor: Tensor) -> tuple[float, float, float]:
    """By Python's floats: norm, mean and variance of one run."""
    values = tensor.flatten().tolist()
    mean = math.fsum(values) / len(values)
    square = math.fsum((v - mean) ** 2 for v in values) / len(values)
    return math.sqrt(math.fsum(v * v for v in values)), mean, square


def stacked(tensor: Tensor, count: int) -> Tensor:
    """The tensor as one of so many of its shape; the first of the stack is its own."""
    others = (normal(*tensor.shape, seed=7 + index) for index in range(count - 1))
    return torch.stack([tensor, *(other.to(tensor) for other in others)])


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many norms were taken in float64, one entry a tensor."""
    counted: list[int] = []
    slow = moments._norm64

    def count(flattened: Tensor) -> Tensor:
        counted.append(flattened.shape[-1])
        return slow(flattened)

    monkeypatch.setattr(moments, "_norm64", count)
    return counted


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", STACKS)
def test_they_are_those_of_a_loop(count: int, dtype: torch.dtype) -> None:
    for shape in [(), (1,), (7,), (5, 4), (3, 2, 4)]:
        tensor = normal(count, *shape, dtype=dtype).reshape(count, -1)
        found = taken(tensor)
        for part in found:
            assert part.shape == (count,)
        for index in range(count):
            norm, mean, variance = exact(tensor[index])
            assert found.norm[index] == pytest.approx(norm, rel=1e-6, abs=0)
            assert found.mean[index] == pytest.approx(mean, rel=1e-6, abs=1e-7)
            assert found.variance[index] == pytest.approx(variance, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("count", STACKS)
@pytest.mark.parametrize("bound", [SMALL, LARGE])
@pytest.mark.parametrize("factor", [1e-3, 0.5, 0.999, 1.001, 2.0, 1e3])
def test_a_norm_is_right_on_either_side_of_its_bounds(
    bound: float, factor: float, count: int, again: list[int]
) -> None:
    tensor = normal(30)
    tensor = stacked(tensor * (bound * factor / tensor.double().norm()).float(), count)
    found = host(norms([tensor]))
    mend_norms(found, [tensor])
    assert len(again) == ((factor < 1) == (bound == SMALL))
    assert found[0, 0] == pytest.approx(exact(tensor[0])[0], rel=1e-6, abs=0)


@pytest.mark.parametrize("count", STACKS)
@pytest.mark.parametrize("power", [-126, -100, -76, -70, -63, 63, 100, 125])
def test_norms_and_variances_of_what_vanished_or_exploded(power: int, count: int) -> None:
    tensor = stacked(normal(6, 5) * 2.0**power, count)
    found = taken(tensor)
    norm, _, variance = exact(tensor[0])
    assert found.norm[0] == pytest.approx(norm, rel=1e-6, abs=0)
    assert found.variance[0] == pytest.approx(variance, rel=1e-6, abs=0)


@given(st.floats(0.0, 20.0), st.integers(0, 100), st.sampled_from([1e-12, 1.0, 1e12]))
def test_a_variance_is_right_on_either_side_of_its_bound(
    mean: float, seed: int, scale: float
) -> None:
    """Two roundings of the squares, in the share of them that a safe variance is at least."""
    tensor = (normal(8, 8, seed=seed) + mean) * scale
    (found,) = taken(tensor[None]).variance
    assert found == pytest.approx(exact(tensor)[2], rel=3 * EPS / CANCELLED, abs=0)


@pytest.mark.parametrize(("mean", "sure"), [(0.0, False), (4.2, False), (4.5, True), (1e4, True)])
def test_a_mean_that_is_far_larger_than_the_deviation_is_taken_off_first(
    mean: float, sure: bool, again: list[int]
) -> None:
    """The bound lies where the mean is √(1/0.05 − 1) = 4.36 deviations."""
    tensor = normal(40, 25)
    tensor = (tensor - tensor.mean()) / tensor.std(correction=0) + mean
    (found,) = taken(tensor[None]).variance
    assert bool(again) == sure
    assert found == pytest.approx(exact(tensor)[2], rel=1e-12 if sure else EPS / CANCELLED)


def test_only_what_is_not_safe_is_taken_again(again: list[int]) -> None:
    tensors = [normal(1, 5), normal(1, 6) * 1e-20, normal(1, 7) * 1e20, normal(1, 8)]
    found = host(norms(tensors))
    mend_norms(found, tensors)
    assert again == [6, 7]
    for value, tensor in zip(found, tensors, strict=True):
        assert value.item() == pytest.approx(exact(tensor)[0], rel=1e-6, abs=0)


@pytest.mark.parametrize(
    ("scale", "shift", "safe"),
    [
        *((1.0, 0.0, True), (1.0, 4.2, True), (1.0, 4.5, False), (1.0, math.nan, False)),
        *((1e-12, 0.0, True), (1e-20, 0.0, False), (1e12, 0.0, True), (1e20, 0.0, False)),
        *((0.0, 0.0, False), (0.0, 1.0, False), (math.inf, 0.0, False)),
    ],
)
def test_what_is_safe_is_not_taken_again(
    scale: float, shift: float, safe: bool, again: list[int]
) -> None:
    healthy = normal(40, 25).flatten()
    healthy = (healthy - healthy.mean()) / healthy.std(correction=0)
    for stack in ([healthy * scale + shift], [healthy, healthy * scale + shift, healthy]):
        tensors = [torch.stack(stack), torch.stack([healthy] * len(stack))]
        norm, mean, size = host(norms(tensors)), host(means(tensors)), np.array([[1e3], [1e3]])
        assert is_safe(norm, norm, mean * size, size) == safe
        assert is_safe(norm[1:], norm[1:], mean[1:] * size[1:], size[1:])
        again.clear()
        with np.errstate(all="ignore"):
            mend_norms(norm, tensors)
            mend_variances(variances(norm, mean, size), norm, size, tensors)
        assert bool(again) != safe


def test_nothing_is_not_safe() -> None:
    nothing = np.empty((0, 2))
    assert not is_safe(nothing, nothing, nothing, np.empty((0, 1)))


def test_one_replica_that_is_not_safe_leaves_the_others_right() -> None:
    tensor = torch.stack([normal(6), normal(6) * 2.0**-100, normal(6) + 1e3, torch.zeros(6)])
    found = taken(tensor)
    for replica in range(4):
        norm, _, variance = exact(tensor[replica])
        assert found.norm[replica] == pytest.approx(norm, rel=1e-6, abs=0)
        assert found.variance[replica] == pytest.approx(variance, rel=1e-6, abs=0)


@pytest.mark.parametrize("other", [0.0, 2.0**-100, 2.0**100, math.nan, math.inf])
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_one_replica_that_is_not_safe_does_not_change_a_bit_of_the_others(
    other: float, shift: float
) -> None:
    """Of numbers whose norm and variance are not those of float64."""
    healthy = normal(4, 999) + torch.tensor([0.0, shift, 0.0, 0.0])[:, None]
    found = taken(healthy)
    assert not np.array_equal(found.norm, taken(healthy.double()).norm)
    for slot in range(4):
        broken = healthy.clone()
        broken[slot] *= other
        for before, after in zip(found, taken(broken), strict=True):
            np.testing.assert_array_equal(np.delete(before, slot), np.delete(after, slot))


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_shows_and_stays_with_its_replica(broken: float) -> None:
    tensor = normal(3, 6)
    tensor[1, 2] = broken
    for part in taken(tensor):
        assert np.isfinite(part).tolist() == [True, False, True]
    assert not any(np.isfinite(part) for part in taken(tensor[1:2]))


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0, 1e-30, 1e30])
def test_equal_elements_have_no_variance_at_all(value: float) -> None:
    assert taken(torch.full((7, 11), value)).variance.tolist() == [0.0] * 7


def test_the_host_gets_float64_and_of_nothing_nothing() -> None:
    found = host([normal(3), normal(3, seed=1)])
    assert (found.dtype, found.shape) == (np.float64, (2, 3))
    assert host([]).shape == (0, 0)
    assert norms([]) == means([]) == []


def test_one_element_has_no_unbiased_variance() -> None:
    found = bessel(np.array([1.0, 2.0, 5.0]))
    assert math.isnan(found[0])
    assert found[1:].tolist() == [2.0, 1.25]


def test_split_leaves_the_rest_to_the_last() -> None:
    parts = split(np.arange(6.0), 2, 0, 1)
    assert [part.tolist() for part in parts] == [[0, 1], [], [2], [3, 4, 5]]
