"""Specification of the angle between two gradients."""

import math

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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_replicas_angle_is_its_own(config: str, dtype: torch.dtype) -> None:
    s, other = step(config, dtype=dtype, replicas=REPLICAS), step("lecture_manual")
    assert other.deltas  # a gradient may hold more than the parameters'
    after = {node: dict(tensors) for node, tensors in s.params_after.items()}
    together = cosine(s.params_before, s.deltas, after, s.lead)
    assert together.shape == (REPLICAS,)
    for replica in range(REPLICAS):
        own = one_of(s, replica)
        alone = cosine(own.params_before, own.deltas, own.params_after, 0)
        torch.testing.assert_close(together[replica], alone, rtol=1e-6, atol=1e-6)
        only = {n: {k: own.deltas[n][k] for k in ts} for n, ts in own.params_before.items()}
        assert alone.item() == pytest.approx(naive(only, own.params_after), abs=1e-5)


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_without_a_direction_there_is_no_angle(value: float) -> None:
    a, b = gradient(1), gradient(2)
    b["01.linear"]["b"] = torch.full((4,), value)
    if value == 0.0:
        b["00.embedding"]["C"] = torch.zeros(7, 3)
    assert cosine(a, a, b, 0).isnan()
    assert cosine(a, b, a, 0).isnan()
