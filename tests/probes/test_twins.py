"""Specification of twins: units whose outputs are the same on every row."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ninja.probes import is_twin
from tests.probes.steps import DTYPES, normal


def naive(y: Tensor) -> int:
    """Columns that another column equals, by comparing each with each."""
    columns = y.unbind(-1)
    return sum(
        any(i != j and torch.equal(one, other) for j, other in enumerate(columns))
        for i, one in enumerate(columns)
    )


def found(y: Tensor) -> int:
    return int(is_twin(y).sum().item())


@given(
    st.integers(1, 4).flatmap(
        lambda rows: st.lists(
            st.lists(st.sampled_from([-1.0, 0.0, -0.0, 1.0]), min_size=rows, max_size=rows),
            min_size=1,
            max_size=12,
        )
    ),
    st.sampled_from(DTYPES),
)
def test_twins_are_those_that_a_loop_finds(columns: list[list[float]], dtype: torch.dtype) -> None:
    y = torch.tensor(columns, dtype=dtype).mT
    assert found(y) == naive(y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_copied_column_makes_two_twins_wherever_it_stands(dtype: torch.dtype) -> None:
    y = normal(32, 101, dtype=dtype)
    assert found(y) == 0
    for place in range(1, 101):
        copied = y.clone()
        copied[:, place] = copied[:, 0]
        assert found(copied) == 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", [0, 5, 31])
def test_the_last_bit_of_one_row_makes_them_two(dtype: torch.dtype, row: int) -> None:
    y = normal(32, 1, dtype=dtype).expand(32, 2).clone()
    assert found(y) == 2
    y[row, 1] = torch.nextafter(y[row, 1], y.new_tensor(9.0))
    assert found(y) == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_saturated_units_that_differ_in_signs_are_no_twins(dtype: torch.dtype) -> None:
    """±1 differ in one bit, the highest: a hash that multiplies only would see its parity."""
    y = normal(44, 300_000, dtype=dtype).sign()
    assert found(y) == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_two_flipped_signs_are_seen(dtype: torch.dtype) -> None:
    y = torch.ones(32, 2, dtype=dtype)
    y[3, 1] = y[17, 1] = -1
    assert found(y) == 0


def test_replicas_do_not_mix() -> None:
    y = normal(1, 6, 4).expand(3, 6, 4).clone()
    y[1, :, 2] = y[1, :, 0]
    assert is_twin(y).sum(-1).tolist() == [0, 2, 0]
    assert is_twin(y.unflatten(0, (3, 1))).shape == (3, 1, 4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_no_exception(value: float) -> None:
    assert is_twin(torch.full((4, 3), value)).shape == (3,)


def test_nothing_that_is_given_changes_and_no_graph_is_made() -> None:
    y = normal(4, 3).requires_grad_()
    assert not is_twin(y).requires_grad
    assert torch.equal(y.detach(), normal(4, 3))
