"""Specification of tensors that are reduced at once."""

import math

import numpy as np
import pytest
import torch

from ninja.observe.sums import count, elements, host, joined, sums
from ninja.rules import Tanh
from tests.probes.steps import normal


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_tensor_of_any_dtype(dtype: torch.dtype) -> None:
    t = (normal(300, 400, seed=1) * 0.7).to(dtype)
    t[:, :3] = 0
    found, exact = sums(t, Tanh(), width=400), t.double()
    assert found.size == 120_000
    assert found.square == pytest.approx(exact.square().sum().item(), rel=1e-4)
    assert found.total == pytest.approx(exact.sum().item(), abs=0.1)
    assert found.crowd == (exact.abs() > 0.97).sum().item()
    assert found.living is not None
    assert count(found.living) == 397


def test_a_tensor_that_does_not_lie_in_order() -> None:
    t = normal(6, 5, 4).movedim(1, -1)
    assert sums(t).square == pytest.approx(t.double().square().sum().item(), rel=1e-5)


@pytest.mark.parametrize("power", [-100, 100])
def test_nothing_vanishes_or_overflows(power: int) -> None:
    t = torch.full((4,), 2.0**power)
    assert sums(t).square == pytest.approx(4.0 ** (power + 1))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_stays_so(value: float) -> None:
    assert not math.isfinite(sums(torch.tensor([1.0, value])).square)


def test_several_are_as_one() -> None:
    parts = [normal(rows, 3, seed=rows) for rows in (2, 5, 9)]
    for at, part in enumerate(parts):
        part[:, [0, at]] = 0
    together = joined([sums(part, Tanh(), width=3) for part in parts])
    alone = sums(torch.cat(parts), Tanh(), width=3)
    assert together.size == alone.size
    assert together.crowd == alone.crowd
    assert together.square == pytest.approx(alone.square)
    assert together.total == pytest.approx(alone.total)
    assert together.living is not None
    assert count(together.living) == 2  # of each unit, some part has a delta but of the first
    assert joined([sums(parts[0]), sums(parts[1], Tanh())]).crowd is None


def test_numbers_come_here_together() -> None:
    assert host([1.0, 2.5]).tolist() == [1.0, 2.5]
    assert host([1.0, torch.tensor(2.5), torch.tensor(3)]).tolist() == [1.0, 2.5, 3.0]
    assert host([]).tolist() == []
    assert elements([torch.arange(3), torch.tensor([0.5])]) == [0.0, 1.0, 2.0, 0.5]
    assert elements([]) == []
    assert count(np.array([True, False, True])) == 2
    assert count(torch.tensor([True, False])) == 1
