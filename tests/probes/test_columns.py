"""Specification of the columns of a look, on tensors that no network of ours has made."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ninja.probes import Columns, Subjects, update_ratio
from ninja.probes.columns import alive, saturated
from ninja.rules import Sigmoid, Tanh
from tests.probes.steps import DTYPES, normal

SUBJECTS = Subjects(
    graded=[("a", "weight")],
    params=[("a", "weight"), ("a", "bias"), ("frozen", "weight")],
    moved=[("a", "weight")],
    outputs=["a", "tanh"],
    units=["a", "tanh"],
    gates={"tanh": Tanh()},
    reached={"tanh": ("a", 5)},
)


def tensors(seed: int = 0) -> list[Tensor]:
    """In the plan's order: gradient, parameters, deltas, outputs, direction."""
    shapes = [(5, 4), (5, 4), (5,), (3, 3), (6, 5), (6, 5), (6, 5), (6, 5), (5, 4)]
    made = [normal(*shape, seed=seed + at) for at, shape in enumerate(shapes)]
    made[4][:, 2] = 0  # the delta of one unit
    return made


def look(measured: list[Tensor], plan: Columns, rate: float = 1.0) -> dict[tuple[str, ...], float]:
    flat = [t.reshape(1, -1) for t in measured]
    values = plan.columns(plan.sums(flat), np.asarray(rate), flat)[:, 0]
    return dict(zip(map(tuple, plan.cells), values.tolist(), strict=True))


def plan_of(measured: list[Tensor], subjects: Subjects = SUBJECTS) -> Columns:
    return Columns(subjects, [t.numel() for t in measured])


def test_each_number_is_that_of_its_tensor() -> None:
    measured = tensors()
    grad, weight, bias, frozen, da, dy, a, y, moved = measured
    found = look(measured, plan_of(measured), rate=0.5)
    ratio = math.log10(0.5 * moved.std(correction=0) / weight.std(correction=0))
    expected = {
        ("a", "weight", "grad_norm"): grad.norm(),
        ("a", "weight", "weight_norm"): weight.norm(),
        ("a", "bias", "weight_norm"): bias.norm(),
        ("frozen", "weight", "weight_norm"): frozen.norm(),
        ("a", "weight", "update_ratio"): ratio,
        ("a", "y", "delta_rms"): da.square().mean().sqrt(),
        ("tanh", "y", "delta_rms"): dy.square().mean().sqrt(),
        ("a", "y", "act_mean"): a.mean(),
        ("tanh", "y", "act_mean"): y.mean(),
        ("a", "y", "act_std"): a.std(),
        ("tanh", "y", "act_std"): y.std(),
        ("tanh", "y", "saturated"): (y.abs() > 0.97).float().mean(),
        ("tanh", "y", "dead"): 1 / 5,
    }
    assert found.keys() == expected.keys()
    for cell, value in expected.items():
        assert found[cell] == pytest.approx(float(value), rel=1e-5), cell


def test_a_known_direction_is_the_gradient() -> None:
    measured = tensors()
    known = Subjects(**{**vars(SUBJECTS), "known": True})
    found = look(measured[:-1], plan_of(measured[:-1], known))
    beside = look([*measured[:-1], measured[0]], plan_of(measured))
    assert found == beside


def test_several_looks_are_reduced_together() -> None:
    looks = [tensors(seed) for seed in (0, 100, 200)]
    plan = plan_of(looks[0])
    stacked = [torch.stack([t.reshape(-1) for t in of]) for of in zip(*looks, strict=True)]
    together = plan.columns(plan.sums(stacked), np.ones(3), stacked)
    for values, measured in zip(together.T, looks, strict=True):
        alone = look(measured, plan)
        assert dict(zip(map(tuple, plan.cells), values.tolist(), strict=True)) == pytest.approx(
            alone, rel=1e-5
        )


def test_the_next_look_leaves_the_numbers_of_the_last_as_they_were() -> None:
    plan = plan_of(tensors())
    first = plan.sums([t.reshape(1, -1) for t in tensors()])
    kept = first.copy()
    plan.sums([t.reshape(1, -1) for t in tensors(50)])
    assert np.array_equal(first, kept)


def test_as_many_looks_as_there_are_are_reduced_by_one_plan() -> None:
    plan = plan_of(tensors())
    flat = [t.reshape(1, -1) for t in tensors()]
    alone = plan.sums([t.expand(2, -1) for t in flat])
    assert plan.sums([t.expand(3, -1) for t in flat]).shape == (len(alone), 3)
    wide = plan.sums([t.double().expand(2, -1) for t in flat])
    assert wide == pytest.approx(alone, rel=1e-5)
    assert not np.array_equal(wide, alone)  # reduced in their own dtype
    assert np.array_equal(plan.sums([t.expand(2, -1) for t in flat]), alone)


def test_a_unit_that_is_still_on_the_first_row_lives_by_another() -> None:
    measured = [torch.stack([t.reshape(-1)] * 3) for t in tensors()]
    deltas = measured[4].reshape(3, 6, 5)  # of which unit 2 is dead
    deltas[0, 0, 4] = 0
    deltas[1, :, 4] = 0
    deltas[2, 3, 2] = math.nan
    plan = plan_of(tensors())
    found = plan.columns(plan.sums(measured), np.ones(3), measured)[-1]
    assert found[:2].tolist() == pytest.approx([1 / 5, 2 / 5])
    assert math.isnan(found[2])


def test_of_nothing_there_are_no_numbers() -> None:
    plan = Columns(Subjects([], [], [], [], [], {}, {}), [])
    assert plan.cells == []
    assert plan.columns(plan.sums([]), np.ones(1), []).size == 0


def test_the_ratio_of_variances() -> None:
    assert update_ratio(0.1, np.array([4.0]), np.array([1.0])).item() == pytest.approx(
        math.log10(0.2)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_dead_means_exactly_zero(dtype: torch.dtype) -> None:
    dx = torch.zeros(4, 3, dtype=dtype)
    dx[2, 1] = -5e-324 if dtype == torch.float64 else -1e-45
    assert alive(dx).item() == 1
    assert alive(torch.stack([dx, -0.0 * dx, dx + 1])).tolist() == [1, 0, 3]


@pytest.mark.parametrize("dtype", DTYPES)
def test_saturated_means_beyond_the_bound(dtype: torch.dtype) -> None:
    y = torch.tensor([[-1.0, -0.98, -0.96], [0.0, 0.96, 0.98]], dtype=dtype)
    assert saturated(Tanh(), y.reshape(1, -1)).tolist() == [3]
    assert saturated(Sigmoid(), (y + 1) / 2).tolist() == [2, 1]  # one a row
    assert saturated(Tanh(), y.new_tensor([[0.97]])).tolist() == [0]
