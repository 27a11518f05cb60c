"""Differences: what they are judged by, and where they cannot be trusted."""

import pytest
import torch
from torch import Generator, Tensor

from ninja.backward_check.numerical import compare, objective, scale, too_coarse
from ninja.backward_check.problem import problem_of
from tests.backward_check.mistakes import draw


def test_rounding_is_judged_by_the_terms_though_they_cancel() -> None:
    """Two outputs of 1e9 whose deltas cancel: the difference has only rounding left to show."""

    def offset(x: Tensor) -> Tensor:
        return 1e9 + 0 * x

    problem = problem_of(offset, draw(2))
    total = objective(problem, [torch.tensor([1.0, -1.0], dtype=torch.float64)], (True,))
    assert float(total(problem.points)) == 0
    assert total.size() == 2e9
    assert total.size(0) == 2e9  # none of them moves: any may, below rounding


def test_elements_and_their_places() -> None:
    x, generator = draw(40).double(), Generator().manual_seed(1)
    gradient = 3 * x**2
    gradient[7] += 1

    def cubes(values: list[Tensor]) -> Tensor:
        return (values[0] ** 3).sum()

    found = compare(cubes, [x], 0, gradient, generator, 100)
    assert found.index.tolist() == list(range(40))
    assert found.wrong.nonzero()[0].tolist() == [7] == [found.worst]
    assert found.numerical == pytest.approx((3 * x**2).numpy(), rel=1e-6)
    few = compare(cubes, [x], 0, 3 * x**2, generator, 5)
    assert few.passed
    assert len(few.index) == 5
    assert sorted(set(few.index.tolist())) == few.index.tolist()


def test_no_gradient_is_one_of_zero() -> None:
    x = draw(4).double()
    assert compare(lambda _: torch.tensor(3.0).double(), [x], 0, None, Generator(), 9).passed
    assert not compare(lambda v: v[0].sum(), [x], 0, None, Generator(), 9).passed


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e5])
def test_precision_is_seen_at_any_scale(size: float) -> None:
    points, generator = [size * draw(50).double()], Generator().manual_seed(3)
    assert not too_coarse(lambda v: v[0].sin().sum() + 1, points, generator)
    assert not too_coarse(lambda _: torch.tensor(2.0).double(), points, generator)
    assert too_coarse(lambda v: (1 + v[0] / size).float().double().sum(), points, generator)


def test_scales() -> None:
    assert scale(torch.zeros(3)) == 1
    assert scale(torch.full((4,), -2.0)) == 2
    assert scale(torch.full((4,), 1e9)) == 1e4
