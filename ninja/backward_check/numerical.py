"""One tensor's gradient against central differences, element by element, by `gradient_check`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from ninja.backward_check.problem import Problem
from ninja.errors import ConfigError
from ninja.gradcheck import gradient_check

STEP = 1e-5
DIRECTIONS = 8
DROWNED = 1e-4
"""By how much a gradient and the differences may be apart, as a share, to say that they agree."""
ZERO = 1e-15
"""What is left of a gradient of zero, as a share of the outputs over the tensor."""
_SHRINK = (1.0, 1 / 8, 1 / 64)

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Comparison:
    """A gradient beside the numerical one, at the elements looked at.

    Attributes:
        index: flat indices of the elements, (E,).
        analytical: what the backward says, (E,).
        numerical: central differences, (E,).
        wrong: beyond what rounding and the step explain, (E,).
        kinks: left out: the function has no derivative there, (E,).
        close_by: whether the function bends so near that only a smaller step told.
        sums_agree: along random directions too; only asked where not all elements are looked at.
        drowned: nothing is beyond rounding, but rounding is so large that this says nothing.
    """

    index: NDArray[np.int64]
    analytical: Values
    numerical: Values
    wrong: Flags
    kinks: Flags
    close_by: bool = False
    sums_agree: bool = True
    drowned: bool = False

    @property
    def passed(self) -> bool:
        """Nothing is wrong."""
        return self.sums_agree and not self.wrong.any()

    @property
    def worst(self) -> int:
        """Position of the largest difference among the wrong ones."""
        off = np.abs(self.analytical - self.numerical)
        off = np.where(np.isfinite(off), off, np.inf)
        return int(np.argmax(np.where(self.wrong, off, -1.0)))


@dataclass(frozen=True)
class Objective:
    """Σ output·delta over the outputs that carry a gradient, less its value at the problem's point.

    It is taken off each term, before they are summed: what a step does not move adds no rounding,
    and what it moves little is not lost beside the rest.

    Attributes:
        problem: of which function, and where.
        deltas: one for each output.
        live: which outputs carry a gradient.
        base: the terms at the point.
    """

    problem: Problem
    deltas: Sequence[Tensor]
    live: Sequence[bool]
    base: Tensor

    def __call__(self, values: Sequence[Tensor]) -> Tensor:
        """At other values of the tensors."""
        return (terms(self.problem, self.deltas, self.live, values) - self.base).sum()

    def size(self, which: int | None = None) -> float:
        """Σ |term|, of all or of those that one of the tensors moves: rounding is judged by it."""
        if which is None:
            return float(self.base.abs().sum())
        points = list(self.problem.points)
        point = points[which]
        # far, so that rounding hides no move, and not all alike: a softmax sees no common shift
        by = torch.linspace(0.5, 1.5, point.numel(), dtype=point.dtype, device=point.device)
        points[which] = point + scale(point) * by.reshape(point.shape)
        size = self.base.abs()
        try:
            moved = terms(self.problem, self.deltas, self.live, points) != self.base
        except ConfigError:  # fn is not defined there: any term may move
            return float(size.sum())
        return float((size[moved] if moved.any() else size).sum())


def terms(
    problem: Problem, deltas: Sequence[Tensor], live: Sequence[bool], values: Sequence[Tensor]
) -> Tensor:
    """Every output times its delta, flat, of the outputs that carry a gradient."""
    used = zip(problem.call(values), deltas, live, strict=True)
    return torch.cat([(output * delta).flatten() for output, delta, part in used if part])


def objective(problem: Problem, deltas: Sequence[Tensor], live: Sequence[bool]) -> Objective:
    """Of a problem, at its point."""
    return Objective(problem, deltas, live, terms(problem, deltas, live, problem.points))


def too_coarse(
    total: Callable[[Sequence[Tensor]], Tensor],
    points: Sequence[Tensor],
    generator: Generator,
    size: float | None = None,
) -> bool:
    """Whether the function computes in less than float64, somewhere inside.

    A step of 1e-9, by each element's size, must move it if one of 1e-5 does, and one of 2e-9 twice
    as far.
    """
    start = float(total(points))
    size = abs(start) if size is None else size
    found: list[bool] = []
    for _ in range(2):
        directions = [
            torch.randn(point.shape, generator=generator, dtype=torch.float64).to(point.device)
            * point.abs()
            for point in points
        ]
        once, twice, far = (
            float(total([p + step * d for p, d in zip(points, directions, strict=True)])) - start
            for step in (1e-9, 2e-9, 1e-5)
        )
        stuck = once == twice == 0 and abs(far) > 1e-10 * size
        found.append(stuck or abs(twice - 2 * once) > 0.5 * abs(twice) + 1e-13 * size)
    return all(found)


def compare(
    total: Callable[[Sequence[Tensor]], Tensor],
    points: Sequence[Tensor],
    which: int,
    gradient: Tensor | None,
    generator: Generator,
    limit: int,
    size: float | None = None,
) -> Comparison:
    """Compare the gradient of one of the points; none is a gradient of zero.

    Args:
        total: of all points, one number.
        points: float64.
        which: of them is looked at.
        gradient: in question, of its shape.
        generator: draws elements and directions where there are more than the limit.
        limit: most elements.
        size: of the terms that the total sums; its own if not given.
    """
    size = abs(float(total(points))) if size is None else size
    point = points[which]
    given = torch.zeros_like(point) if gradient is None else gradient.detach()
    flat = given.flatten()
    everything = point.numel() <= limit
    index = (
        torch.arange(point.numel())
        if everything
        else torch.randperm(point.numel(), generator=generator)[:limit].sort().values
    ).to(point.device)

    def along(part: Tensor) -> Tensor:
        moved = point.flatten().index_copy(0, index, part).reshape(point.shape)
        return total([*points[:which], moved, *points[which + 1 :]])

    part = point.flatten()[index]
    step = STEP * scale(point)
    check = gradient_check(along, part, flat[index], step, size=size)
    analytical = flat[index].cpu().numpy().astype(np.float64)
    found = Comparison(
        index.cpu().numpy(), analytical, check.numerical, check.wrong, np.zeros_like(check.wrong)
    )
    found = _looked_at_again(found, along, part, step, size)
    found = replace(found, drowned=_drowned(found, size / scale(point)))
    if everything:
        return found
    sums = _sums_agree(total, points, which, given, generator, step, size)
    return replace(found, sums_agree=sums)


def _drowned(found: Comparison, natural: float) -> bool:
    """Whether the differences agree with the gradient only as far as rounding lets them.

    A gradient that is zero but for rounding is none that could be lost in it.

    Args:
        found: nothing wrong in it.
        natural: the size of the outputs over that of the tensor.
    """
    at = ~found.kinks
    given, numerical = found.analytical[at], found.numerical[at]
    if found.wrong.any() or np.abs(given).max(initial=0.0) <= ZERO * natural:
        return False
    largest = max(float(np.linalg.norm(given)), float(np.linalg.norm(numerical)))
    return not float(np.linalg.norm(given - numerical)) <= DROWNED * largest


def scale(point: Tensor) -> float:
    """The size of its elements, by which a step is measured; 1 where they are all 0."""
    size = float(point.square().mean().sqrt()) if point.numel() else 0.0
    return min(size, 1e4) or 1.0


def _sums_agree(
    total: Callable[[Sequence[Tensor]], Tensor],
    points: Sequence[Tensor],
    which: int,
    gradient: Tensor,
    generator: Generator,
    step: float,
    size: float,
) -> bool:
    """The derivative along whole random directions, so that no element goes unseen."""
    point = points[which]
    shape = (DIRECTIONS, *point.shape)
    directions = torch.randn(shape, generator=generator, dtype=torch.float64).to(point.device)
    directions /= point.numel() ** 0.5

    def along(amounts: Tensor) -> Tensor:
        moved = point + torch.tensordot(amounts.to(point.device), directions, 1)
        return total([*points[:which], moved, *points[which + 1 :]])

    slopes = (directions * gradient).flatten(1).sum(1)
    return bool(gradient_check(along, torch.zeros_like(slopes), slopes, step, size=size))


def _looked_at_again(
    found: Comparison,
    along: Callable[[Tensor], Tensor],
    part: Tensor,
    step: float,
    size: float,
) -> Comparison:
    """Wrong elements by smaller steps, and from either side: some were the step's fault."""
    wrong, kinks, numerical = found.wrong.copy(), found.kinks.copy(), found.numerical.copy()
    middle = float(along(part))
    finite = np.abs(found.numerical[np.isfinite(found.numerical)])
    largest = float(finite.max(initial=0.0))
    for position in np.flatnonzero(found.wrong):
        given = float(found.analytical[position])
        # in its own size, should it be smaller than the others
        steps = np.array(_SHRINK) * min(step, STEP * float(part[position].abs()) or step)
        sides = [_sides(along, part, int(position), middle, float(one)) for one in steps]
        for (above, below), taken in zip(sides, steps, strict=True):
            centre = (above + below) / 2
            rounding = 2e-14 * size / taken
            allowed = 1e-5 * max(abs(given), abs(centre)) + 1e-6 * largest + rounding
            if np.isfinite(given) and abs(given - centre) <= allowed:
                wrong[position], numerical[position] = False, centre
        if wrong[position] and _kink(sides, given, 1e-5 * largest):
            wrong[position], kinks[position] = False, True
    rescued = bool((found.wrong & ~wrong & ~kinks).any())
    return Comparison(found.index, found.analytical, numerical, wrong, kinks, rescued)


def _sides(
    along: Callable[[Tensor], Tensor], part: Tensor, position: int, middle: float, step: float
) -> tuple[float, float]:
    """Slopes to the right and to the left of an element."""
    slopes: list[float] = []
    for side in (step, -step):
        moved = part.clone()
        moved[position] += side
        taken = float(moved[position] - part[position])
        slopes.append((float(along(moved)) - middle) / taken)
    return slopes[0], slopes[1]


def _kink(sides: Sequence[tuple[float, float]], given: float, least: float) -> bool:
    """Slopes of either side that stay apart, however small the step, and the given one between.

    Of a function with a second derivative they meet as the step does.
    """
    first, last = sides[0], sides[-1]
    if not np.isfinite(last).all():  # beside the edge of what the function is defined on
        return True
    apart = abs(last[0] - last[1])
    between = min(last) - 0.01 * apart <= given <= max(last) + 0.01 * apart
    return apart > max(0.3 * abs(first[0] - first[1]), least) and between
