"""Specification of the numbers of one step."""

import math

import numpy as np
import pytest

from ninja.observe.seen import Seen
from ninja.probes import Cell

CELLS = [Cell("a", "weight", "grad_norm"), Cell("a", "y", "delta_rms"), Cell("a", "y", "act_mean")]


def test_numbers_come_in_parts() -> None:
    seen = Seen(3, 0.1, 1.0, True)
    assert seen.numbers() == []
    seen.take(CELLS, np.array([1.0, 2.0, 3.0]))
    seen.take([Cell("b", "y", "gate")], np.array([0.5]))
    assert seen.numbers() == [1.0, 2.0, 3.0, 0.5]
    assert [cell.column for cell in seen.cells] == ["grad_norm", "delta_rms", "act_mean", "gate"]
    assert seen.of("delta_rms") == [2.0]
    assert len(CELLS) == 3  # a plan's own


def test_only_gradients_are_unscaled() -> None:
    seen = Seen(3, 0.1, 8.0, True)
    seen.take(CELLS, np.array([8.0, 16.0, 24.0]))
    assert seen.numbers() == [1.0, 2.0, 24.0]


@pytest.mark.parametrize(
    ("stepped", "norm", "skipped"),
    [
        (True, math.inf, False),
        (False, 1.0, False),
        (False, math.inf, True),
        (False, math.nan, True),
    ],
)
def test_a_step_is_given_up_if_nothing_moved_and_a_gradient_is_no_number(
    stepped: bool, norm: float, skipped: bool
) -> None:
    seen = Seen(3, 0.1, 8.0, stepped)
    seen.take(CELLS, np.array([norm, 1.0, 1.0]))
    assert seen.is_skipped() == skipped
