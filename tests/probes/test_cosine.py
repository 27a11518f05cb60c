"""Specification of the angle between two gradients."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ninja.probes import cosine
from ninja.types import Params
from tests.probes.steps import CONFIGS, DTYPES, REPLICAS, normal, one_of, step


def gradient(seed: int, scale: float = 1.0) -> Params:
    return {
        "00.embedding": {"C": normal(7, 3, seed=seed) * scale},
        "01.linear": {"b": normal(4, seed=seed + 100) * scale},
    }


def elements(params: Params) -> list[float]:
    return [v for ts in params.values() for t in ts.values() for v in t.flatten().tolist()]


def naive(one: Params, other: Params) -> float:
    a, b = elements(one), elements(other)
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))


@given(st.integers(0, 50), st.integers(0, 50))
def test_it_is_the_dot_product_of_the_directions(one: int, other: int) -> None:
    a, b = gradient(one), gradient(other)
    assert cosine(a, a, b, 0).item() == pytest.approx(naive(a, b), abs=1e-6)


@pytest.mark.parametrize("power", [-100, -60, 0, 60, 100])
def test_the_same_opposite_and_orthogonal_at_any_scale(power: int) -> None:
    a = gradient(1, 2.0**power)
    assert cosine(a, a, a, 0).item() == pytest.approx(1.0, abs=1e-6)
    opposite = {node: {key: -t for key, t in ts.items()} for node, ts in gradient(1).items()}
    assert cosine(a, a, opposite, 0).item() == pytest.approx(-1.0, abs=1e-6)
    left: Params = {"00.linear": {"b": torch.tensor([1.0, 0.0]) * 2.0**power}}
    right: Params = {"00.linear": {"b": torch.tensor([0.0, 3.0])}}
    assert cosine(left, left, right, 0).item() == 0.0


@given(st.integers(0, 200), st.floats(1e-3, 1e3))
def test_it_never_leaves_its_range(seed: int, scale: float) -> None:
    a, b = gradient(seed), gradient(seed, scale)
    assert -1.0 <= cosine(a, a, b, 0).item() <= 1.0


@pytest.mark.parametrize("size", [1, 7, 1000, 1013, 3001, 12_297])
def test_a_replicas_bits_do_not_depend_on_where_it_lies(size: int) -> None:
    """BLAS adds up in an order that depends on where a row begins in memory."""
    now, before = normal(5, size, seed=1), normal(5, size, seed=2)
    stacked: list[Params] = [{"00.linear": {"b": t}} for t in (now, before)]
    found = cosine(stacked[0], stacked[0], stacked[1], 1)
    for r in range(5):
        one, other = ({"00.linear": {"b": t[r].clone()}} for t in (now, before))
        assert cosine(one, one, other, 0).item() == found[r]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_replicas_angle_is_its_own(config: str, dtype: torch.dtype) -> None:
    s = step(config, dtype=dtype, replicas=REPLICAS)
    assert "y" in s.deltas[s.net.nodes[0].name]  # a gradient may hold more than the parameters'
    together = cosine(s.params, s.deltas, s.params, s.lead)
    assert together.shape == (REPLICAS,)
    for replica in range(REPLICAS):
        own = one_of(s, replica)
        alone = cosine(own.params, own.deltas, own.params, 0)
        assert together[replica] == pytest.approx(alone, rel=1e-6, abs=1e-6)
        only = {n: {k: own.deltas[n][k] for k in ts} for n, ts in own.params.items()}
        assert alone.item() == pytest.approx(naive(only, own.params), abs=1e-6)


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_without_a_direction_there_is_no_angle(value: float) -> None:
    a, b = gradient(1), gradient(2)
    b["01.linear"]["b"] = torch.full((4,), value)
    if value == 0.0:
        b["00.embedding"]["C"] = torch.zeros(7, 3)
    assert np.isnan(cosine(a, a, b, 0))
    assert np.isnan(cosine(a, b, a, 0))


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, 1e-30, 1e30])
def test_one_replica_leaves_the_others_alone(value: float) -> None:
    a, b = gradient(1), gradient(2)
    three: Params = {n: {k: torch.stack([t] * 3) for k, t in ts.items()} for n, ts in a.items()}
    for tensors in three.values():
        for tensor in tensors.values():
            tensor[1] *= value
    others = {n: {k: torch.stack([t] * 3) for k, t in ts.items()} for n, ts in b.items()}
    found = cosine(a, three, others, 1)
    expected = [naive(a, b)] * 3
    if value in (0.0, math.inf) or math.isnan(value):
        expected[1] = math.nan
    assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("scale", [0.5e-15, 2e-15, 0.5e15, 2e15])
def test_it_is_the_same_on_either_side_of_the_bounds_of_a_safe_norm(scale: float) -> None:
    a, b = gradient(1), gradient(2)
    size = math.sqrt(math.fsum(v * v for v in elements(a)))
    found = cosine(a, gradient(1, scale / size), b, 0)
    assert found.item() == pytest.approx(naive(a, b), abs=1e-6)


def test_nothing_that_is_given_changes() -> None:
    a, b = gradient(1), gradient(2)
    cosine(a, a, b, 0)
    for given_, seed in ((a, 1), (b, 2)):
        assert elements(given_) == elements(gradient(seed))
