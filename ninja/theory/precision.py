"""What half precision leaves of gradients: the share rounded to zero, and from what depth on.

Source: Micikevicius et al. 2018; the limits follow from the formats (IEEE 754, round to even).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import erf, erfc, erfinv  # pyright: ignore[reportMissingTypeStubs]

from ninja.errors import TheoryError, nearest
from ninja.theory.quadrature import Array


@dataclass(frozen=True)
class Format:
    """A floating-point format.

    Attributes:
        zero: up to this, half the least subnormal, a number becomes 0.
        infinity: from this on, half a step above the largest, it becomes infinite.
    """

    zero: float
    infinity: float


FORMATS = {
    "float16": Format(2.0**-25, 65520.0),
    "bfloat16": Format(2.0**-134, (2 - 2.0**-8) * 2.0**127),
    "float32": Format(2.0**-150, (2 - 2.0**-24) * 2.0**127),
}


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise TheoryError(nearest("dtype", name, FORMATS))
    return FORMATS[name]


def zero_share(std: float, dtype: str = "float16") -> float:
    """Share of N(0, std²) that becomes 0.

    Raises:
        TheoryError: an unknown format, or std is not a finite number above 0.
    """
    limit = _format(dtype).zero
    _check_std(std)
    return float(erf(limit / std / math.sqrt(2)))


def overflow_share(std: float, dtype: str = "float16") -> float:
    """Share of N(0, std²) that becomes infinite.

    Raises:
        TheoryError: an unknown format, or std is not a finite number above 0.
    """
    limit = _format(dtype).infinity
    _check_std(std)
    return float(erfc(limit / std / math.sqrt(2)))


def zero_shares(depth: int, chi: float, std: float, dtype: str = "float16") -> Array:
    """`zero_share` 1 … depth layers below one whose δ has this standard deviation.

    Raises:
        TheoryError: as for `zero_share`, or χ is not above 0.
    """
    _check_chi(chi)
    return np.array([zero_share(std * chi ** (layer / 2), dtype) for layer in range(1, depth + 1)])


def underflow_depth(chi: float, std: float, share: float = 0.5, dtype: str = "float16") -> float:
    """Layers below which more than this share of δ is 0; infinite where δ does not shrink.

    Raises:
        TheoryError: as for `zero_shares`, or the share is not between 0 and 1.
    """
    _check_chi(chi)
    _check_std(std)
    if not 0 < share < 1:
        raise TheoryError(f"share: {share!r} is none, give a number between 0 and 1")
    least = _format(dtype).zero / (math.sqrt(2) * float(erfinv(share)))
    if std <= least:
        return 0.0
    return 2 * math.log(least / std) / math.log(chi) if chi < 1 else math.inf


def _check_std(std: float) -> None:
    if not 0 < std < math.inf:
        raise TheoryError(f"std: {std!r} must be above 0, and finite")


def _check_chi(chi: float) -> None:
    if not 0 < chi < math.inf:
        raise TheoryError(f"chi: {chi!r} must be above 0, and finite")
