"""What a wrong gradient looks like, where the numbers show it."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

CLOSE = 1e-4


_REFUSED = re.compile(r"at index (\d+) - got \[([\d, ]*)\] but expected shape .* \[([\d, ]*)\]")


def refusal(failure: str, arguments: Sequence[str]) -> tuple[str | None, str]:
    """Which argument's gradient autograd refuses for its shape, and what may be wrong with it."""
    found = _REFUSED.search(failure)
    if found is None:
        return None, ""
    index, got, expected = int(found[1]), found[2].split(", "), found[3].split(", ")
    name = arguments[index] if index < len(arguments) else None
    of = f" of {name}" if name is not None else ""
    return name, f" (the gradient{of} is transposed?)" if got == expected[::-1] != expected else ""


def hint(
    analytical: Values, numerical: Values, doubled: Values | None, sizes: Mapping[int, str]
) -> str:
    """The mistake in a few words; empty where nothing is known of it.

    Args:
        analytical: the backward's gradient, in the tensor's shape if all of it was compared.
        numerical: what it should be, in the same shape.
        doubled: the backward's gradient for twice the incoming gradient; none where unknown.
        sizes: the numbers of things that means are taken over, with their names.
    """
    if not np.isfinite(analytical).all():
        return "is not finite"
    if not numerical.any():
        return (
            "is not zero, though no step of this size changes the output: a step function with a "
            "straight-through gradient?"
        )
    if not analytical.any():
        return "is zero: it is forgotten, or cut off (detach, no_grad)"
    if doubled is not None and _same(doubled, analytical):
        return "ignores the incoming gradient: it must be multiplied by it (the chain rule)"
    return (
        _factor(analytical, numerical, sizes)
        or _transposed(analytical, numerical)
        or _mean_left(analytical, numerical)
        or _offset(analytical, numerical)
    )


def _same(one: Values, other: Values) -> bool:
    return one.shape == other.shape and bool(
        np.abs(one - other).max(initial=0.0) <= CLOSE * np.abs(other).max(initial=0.0)
    )


def _factor(analytical: Values, numerical: Values, sizes: Mapping[int, str]) -> str:
    """One number between the two."""
    factor = float((analytical * numerical).sum() / (numerical**2).sum())
    if factor == 0 or not _same(analytical, factor * numerical) or analytical.size < 2:
        return ""
    size = abs(factor)
    if abs(size - 1) <= CLOSE:
        return "has the wrong sign" if factor < 0 else ""
    sign = " and has the wrong sign" if factor < 0 else ""
    if size > 1:
        return f"is {_number(size)} × too large{sign}{_missing(size, sizes, '1/')}"
    return f"is {_number(1 / size)} × too small{sign}{_missing(1 / size, sizes, '')}"


def _missing(size: float, sizes: Mapping[int, str], over: str) -> str:
    """Which of the shapes' numbers the factor is."""
    for number, where in sizes.items():
        if number > 1 and abs(size / number - 1) <= CLOSE:
            return f": is a factor {over}{number} missing ({number} is {where})?"
        if number > 2 and abs(size * (number - 1) / number - 1) <= CLOSE:
            return f": are n and n − 1 mixed up (n = {number} is {where})?"
    return ""


def _number(value: float) -> str:
    whole = round(value)
    return str(whole) if abs(value - whole) <= CLOSE * whole else f"{value:.4g}"


def _transposed(analytical: Values, numerical: Values) -> str:
    if analytical.ndim < 2 or analytical.shape[-1] != analytical.shape[-2]:
        return ""
    turned = np.swapaxes(numerical, -1, -2)
    return "is transposed" if _same(analytical, turned) and not _same(turned, numerical) else ""


def _mean_left(analytical: Values, numerical: Values) -> str:
    """The numerical gradient sums to zero along a dimension, as through any mean removed."""
    for dim in range(analytical.ndim):
        if analytical.shape[dim] < 2:
            continue
        zero, sums = (np.abs(one.sum(dim)).max() for one in (numerical, analytical))
        terms = float(np.abs(numerical).sum(dim).max())
        if zero <= CLOSE * terms < sums * 100 * CLOSE:
            return (
                f"should sum to zero along dimension {dim} and does not: what goes back through "
                "the mean is missing"
            )
    return ""


def _offset(analytical: Values, numerical: Values) -> str:
    """A few elements only."""
    off = np.abs(analytical - numerical) > CLOSE * np.abs(numerical).max()
    if 0 < off.mean() <= 0.5 and analytical.size > 2:
        return f"is wrong at {int(off.sum())} of {analytical.size} elements and right at the others"
    return ""
