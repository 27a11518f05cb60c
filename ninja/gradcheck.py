"""Gradients against central differences: (f(x + eps) − f(x − eps))/(2 eps), element by element."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from ninja.cases import Case, Point
from ninja.errors import ConfigError
from ninja.types import Shape

Array = TypeVar("Array", Tensor, NDArray[Any])

RTOL = 1e-5


@dataclass(frozen=True)
class GradientCheck:
    """The outcome of `gradient_check`; true when it passed.

    Attributes:
        passed: every element is within the tolerance.
        max_error: the largest absolute difference.
        where: index of that element; None when the shapes differ.
        numerical: the central differences, float64, in x's shape.
        wrong: which elements are beyond the tolerance, in x's shape.
        reason: what is wrong, in a line; empty when nothing is.
    """

    passed: bool
    max_error: float
    where: tuple[int, ...] | None
    numerical: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    reason: str = ""

    def __bool__(self) -> bool:
        """So that ``assert gradient_check(...)`` reads as it should."""
        return self.passed


def gradient_check(
    f: Callable[[Array], Any],
    x: Array,
    dx_analytical: Any,
    eps: float = 1e-5,
    *,
    size: float | None = None,
) -> GradientCheck:
    """Compare an analytical gradient of f at x with the numerical one.

    In float64 whatever x is: in float32 the rounding of f alone, divided by 2 eps, would drown a
    wrong gradient. An element passes when it differs by at most 1e-5 of itself, plus 1e-6 of the
    largest element and the rounding of f.

    Args:
        f: takes an array like x and returns one number; must work in float64.
        x: numpy array or tensor of floating point.
        dx_analytical: ∂f/∂x, array or tensor of exactly x's shape.
        eps: half the step.
        size: of the terms that f sums, by which its rounding is judged; |f(x)| if not given.

    Raises:
        ConfigError: x is not floating point, eps is not above 0, or f does not return one number
            in float64.
    """
    step: Any = eps
    if not isinstance(step, int | float) or not 0 < step < 1:
        raise ConfigError(f"eps: {eps!r} is no step, give a number between 0 and 1, such as 1e-5")
    rounding_of_dx = 4 * max(_epsilon("x", x), _epsilon("dx_analytical", dx_analytical))
    point = _array(x)
    analytical = _array(dx_analytical).astype(np.float64)
    point = point.astype(np.float64)
    numerical, found = _central_differences(f, x, point, eps)
    size = found if size is None else size
    if analytical.shape != point.shape:
        reason = f"the gradient has shape {analytical.shape}, and x {point.shape}"
        everywhere = np.ones(point.shape, dtype=np.bool_)
        return GradientCheck(False, float("nan"), None, numerical, everywhere, reason)
    if not point.size:
        nowhere = np.zeros(point.shape, dtype=np.bool_)
        return GradientCheck(True, 0.0, None, numerical, nowhere)
    error = np.abs(np.where(np.isfinite(analytical), analytical, np.inf) - numerical)
    magnitude = np.maximum(np.abs(analytical), np.abs(numerical))
    rounding = 100 * np.finfo(np.float64).eps * size / eps
    allowed = max(RTOL, rounding_of_dx) * magnitude + 1e-6 * np.abs(numerical).max() + rounding
    wrong = ~(np.isfinite(error) & (error <= allowed))
    where = _index(int(np.argmax(np.where(wrong, error, -1.0) if wrong.any() else error)), error)
    reason = ""
    if wrong.any():
        reason = f"at {where} it is {analytical[where]:.9g}, and numerically {numerical[where]:.9g}"
    return GradientCheck(not wrong.any(), float(error.max()), where, numerical, wrong, reason)


def _epsilon(name: str, x: Any) -> float:
    """The rounding of one element in x's own dtype.

    Raises:
        ConfigError: it is no dense array of real floating-point numbers.
    """
    if isinstance(x, Tensor):
        if x.layout is torch.strided and x.dtype.is_floating_point:
            return torch.finfo(x.dtype).eps
        kind = str(x.dtype) if x.layout is torch.strided else str(x.layout)
    else:
        dtype = np.asarray(x).dtype
        if np.issubdtype(dtype, np.floating):
            return float(np.finfo(dtype).eps)
        kind = str(dtype)
    raise ConfigError(f"{name}: {kind} has no gradient here, give dense real floating point")


def _index(flat: int, array: NDArray[np.float64]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat, array.shape))


def _array(x: Any) -> NDArray[Any]:
    if isinstance(x, Tensor):
        x = x.detach().cpu()
        # numpy has no bfloat16
        return (x.double() if x.dtype == torch.bfloat16 else x).numpy()
    return np.asarray(x)


def _central_differences(
    f: Callable[[Any], Any], x: Any, point: NDArray[np.float64], eps: float
) -> tuple[NDArray[np.float64], float]:
    """The numerical gradient, and |f| for the size of its rounding."""

    def value(at: NDArray[np.float64]) -> float:
        given = torch.tensor(at, device=x.device) if isinstance(x, Tensor) else at.copy()
        try:
            made = f(given)
        except (RuntimeError, TypeError) as error:
            why = (str(error) or type(error).__name__).splitlines()[0]
            raise ConfigError(f"f: fails on a float64 argument ({why})") from error
        kind = made.dtype if isinstance(made, Tensor) else np.asarray(made).dtype
        if str(kind).removeprefix("torch.") not in ("float64", "int64"):
            raise ConfigError(f"f: must return one number in float64, and returned {kind}")
        made = _array(made)
        if made.size != 1:
            raise ConfigError(f"f: must return one number, and returned shape {made.shape}")
        return float(made.reshape(()))

    numerical = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        here = point[index]
        point[index] = above = here + eps
        if above == here:
            raise ConfigError(f"eps: {eps:g} is lost beside {here:g}, give x of a smaller scale")
        f_above = value(point)
        point[index] = below = here - eps
        f_below = value(point)
        point[index] = here
        numerical[index] = (f_above - f_below) / (above - below)
    return numerical, abs(value(point))


@dataclass(frozen=True)
class RuleCheck:
    """One rule's backward, in one of its two forms, against differences.

    Attributes:
        rule: name of the case.
        fused: the closed form, or step by step.
        max_error: largest absolute difference of any input or parameter.
        wrong: what `gradient_check` refused, by name, with the reason.
        torch_agrees: what `torch.autograd.gradcheck` said.
    """

    rule: str
    fused: bool
    max_error: float
    wrong: dict[str, str]
    torch_agrees: bool

    @property
    def passed(self) -> bool:
        """Both checks passed."""
        return not self.wrong and self.torch_agrees


def check_rule(name: str, case: Case, seed: int, lead: Shape = ()) -> tuple[RuleCheck, RuleCheck]:
    """Check a rule step by step and in closed form, in float64, at a random point."""
    return (
        check_form(name, case, seed, lead, fused=False),
        check_form(name, case, seed, lead, fused=True),
    )


def check_form(name: str, case: Case, seed: int, lead: Shape = (), *, fused: bool) -> RuleCheck:
    """One of the two."""
    point = case.draw(Generator().manual_seed(seed), lead)
    free = point.free
    deltas = point.pull_back(free, point.dy, fused=fused)

    def along(key: str) -> GradientCheck:
        def f(tensor: Tensor) -> Tensor:
            return (point.forward(free | {key: tensor})["y"] * point.dy).sum()

        return gradient_check(f, free[key], deltas[key])

    checks = {key: along(key) for key in free}
    return RuleCheck(
        name,
        fused,
        max(check.max_error for check in checks.values()),
        {key: check.reason for key, check in checks.items() if not check},
        _torch_gradcheck(point, fused=fused),
    )


class _ByHand(torch.autograd.Function):
    """A rule as torch sees it: our forward and our backward, autograd between others only."""

    @staticmethod
    def forward(ctx: Any, point: Point, fused: bool, *tensors: Tensor) -> Tensor:
        ctx.point, ctx.fused = point, fused
        ctx.save_for_backward(*tensors)
        # a copy, where the rule hands its input through: torch wants an output of its own
        return point.forward(dict(zip(point.free, tensors, strict=True)))["y"].clone()

    @staticmethod
    def backward(ctx: Any, *dys: Tensor) -> Any:
        free = dict(zip(ctx.point.free, ctx.saved_tensors, strict=True))
        deltas = ctx.point.pull_back(free, dys[0], fused=ctx.fused)
        return None, None, *(deltas[name] for name in free)


def _torch_gradcheck(point: Point, *, fused: bool) -> bool:
    def f(*tensors: Tensor) -> Any:
        return _ByHand.apply(point, fused, *tensors)

    tensors = [tensor.clone().requires_grad_() for tensor in point.free.values()]
    return torch.autograd.gradcheck(f, tensors, raise_exception=False)
