"""Specification of what is made of small arrays."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ninja.observe.arrays import Reduced, array, crowd, exact, living, moments, squares, sums
from ninja.probes.columns import Columns, alive, saturated
from ninja.rules import Sigmoid, Tanh
from tests.probes.steps import normal
from tests.probes.test_columns import SUBJECTS, look, plan_of, tensors

FLOATS = st.floats(-(2.0**60), 2.0**60, width=32)


@given(st.lists(FLOATS, min_size=1, max_size=40), st.sampled_from([np.float32, np.float64]))
def test_moments_are_those_of_python(values: list[float], dtype: type[np.floating]) -> None:
    given = np.array(values, dtype)
    plain = given.tolist()
    expected, total = math.fsum(x * x for x in plain), math.fsum(plain)
    found = moments(given)
    assert found[0] == pytest.approx(expected, rel=1e-5)
    assert found[1] == pytest.approx(total, rel=1e-5, abs=1e-5 * math.sqrt(expected * len(plain)))
    assert squares([given, given]) == pytest.approx([expected, expected], rel=1e-5)


@pytest.mark.parametrize("power", [-100, 0, 100])
def test_a_square_that_float32_does_not_hold(power: int) -> None:
    given = np.full(3, 2.0**power, np.float32)
    with np.errstate(all="ignore"):
        assert squares([given]) == pytest.approx([3 * 4.0**power])
        assert moments(given)[0] == pytest.approx(3 * 4.0**power)
    assert exact(given) == (3 * 4.0**power, 3 * 2.0**power)


def test_a_deviation_beside_a_large_mean_is_kept() -> None:
    given = (normal(1000, seed=1) * 1e-3 + 100).numpy()
    square, total = moments(given)
    variance = square / 1000 - (total / 1000) ** 2
    assert math.sqrt(variance) == pytest.approx(given.astype(np.float64).std(), rel=1e-3)


def test_counts_are_those_of_the_probes() -> None:
    y = normal(40, 7, seed=2) * 2
    for rule, of in ((Tanh(), y.tanh()), (Sigmoid(), (4 * y).sigmoid())):
        assert crowd(array(of), rule) == saturated(rule, of.reshape(1, -1)).item() > 0
    y[:, [1, 4]] = 0
    assert np.count_nonzero(living(y.numpy())) == alive(y).item() == 5
    tiny = torch.zeros(3, 2)
    tiny[1, 0] = 1e-45
    assert np.count_nonzero(living(tiny.numpy())) == 1


def test_a_plan_is_reduced_as_by_the_probes_while_the_contents_change() -> None:
    plan = plan_of(tensors())
    params = [array(t) for t in tensors()[1:4]]
    laid, before = np.empty(4 * 30, np.float32), np.empty(20, np.float32)
    reduced = Reduced(plan, params, laid, [(before, params[0])])
    for seed in (0, 50, 100):
        grad, *rest, direction = tensors(seed)
        for into, t in zip(params, rest[:3], strict=True):
            into[...] = array(t)
        laid[...] = np.concatenate([array(t) for t in rest[3:]])
        before[...] = params[0] + array(direction)
        found = sums(plan, [reduced(squares([array(grad)]))])
        columns = plan.columns(found, np.ones(1), None)[:, 0]
        expected = look([grad, *rest, direction], plan)
        assert dict(zip(map(tuple, plan.cells), columns, strict=True)) == pytest.approx(
            expected, rel=1e-5
        )


def test_what_vanishes_in_a_plan_is_taken_again() -> None:
    grad, *rest, direction = (t * 2.0**-90 for t in tensors())
    plan = Columns(SUBJECTS, [t.numel() for t in (grad, *rest, direction)])
    laid = np.concatenate([array(t) for t in rest[3:]])
    params = [array(t) for t in rest[:3]]
    reduced = Reduced(plan, params, laid, [(params[0] + array(direction), params[0])])
    with np.errstate(all="ignore"):
        found = sums(plan, [reduced(squares([array(grad)]))])
    expected = look(tensors(), plan)
    columns = plan.columns(found, np.ones(1), None)[:, 0]
    for cell, value in zip(map(tuple, plan.cells), columns, strict=True):
        scale = 1 if cell[2] in ("update_ratio", "dead", "saturated") else 2.0**-90
        assert value == pytest.approx(expected[cell] * scale, rel=1e-4) or cell[2] == "saturated"


@pytest.mark.parametrize("values", [0.0, math.nan, math.inf, 1e-30, 1e30])
def test_one_array_that_must_be_taken_again_leaves_its_neighbours(values: float) -> None:
    grad, *rest, direction = tensors()
    rest[3][:] = values  # the delta of "a", beside that of "tanh"
    plan = plan_of([grad, *rest, direction])
    laid = np.concatenate([array(t) for t in rest[3:]])
    params = [array(t) for t in rest[:3]]
    reduced = Reduced(plan, params, laid, [(params[0] + array(direction), params[0])])
    with np.errstate(all="ignore"):
        found = sums(plan, [reduced(squares([array(grad)]))])
    columns = plan.columns(found, np.ones(1), None)[:, 0]
    expected = look([grad, *rest, direction], plan)
    assert dict(zip(map(tuple, plan.cells), columns, strict=True)) == pytest.approx(
        expected, rel=1e-5, nan_ok=True
    )
