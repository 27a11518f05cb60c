"""Means, shares and differences, with intervals that say how sure they are."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

LEVEL = 0.95


class Interval(NamedTuple):
    """An estimate, and where the true value lies in 95 of 100 such samples.

    Attributes:
        value: the estimate.
        low: end of the interval; not a number where a single value has none.
        high: the other end.
        n: how many values it was made of.
    """

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if self.n == 0:
            return "–"
        if math.isnan(self.low):
            return f"{self.value:.4g}"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def _finite(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    found = np.asarray(values, dtype=float)
    return found[np.isfinite(found)]


def mean(values: Sequence[float]) -> Interval:
    """The mean over seeds, with Student's t interval; what is not finite is left out.

    Source: Student 1908.
    """
    of = _finite(values)
    if len(of) == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    middle = float(of.mean())
    if len(of) == 1:
        return Interval(middle, math.nan, math.nan, 1)
    half = _quantile(len(of) - 1) * float(of.std(ddof=1)) / math.sqrt(len(of))
    return Interval(middle, middle - half, middle + half, len(of))


def share(hits: int, n: int) -> Interval:
    """A share of runs, with Wilson's interval, which is right at 0 of n and at n of n too.

    Raises:
        ValueError: more hits than runs, or fewer than none.

    Source: Wilson 1927; `scipy.stats`, which has it too, takes a second to be loaded.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"hits: {hits} of {n} is no share")
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    p, z = hits / n, float(special.ndtri((1 + LEVEL) / 2))
    middle = p + z**2 / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = ((middle + way * half) / (1 + z**2 / n) for way in (-1, 1))
    return Interval(p, 0.0 if hits == 0 else low, 1.0 if hits == n else high, n)


def difference(before: Sequence[float], after: Sequence[float], *, paired: bool) -> Interval:
    """Mean of `after` less mean of `before`.

    Args:
        before: one value a run.
        after: the same.
        paired: the n-th of both have the same seed and settings: then the interval is that of the
            differences, which is narrower where seeds matter. Else it is Welch's.

    Raises:
        ValueError: paired values of two lengths.

    Sources: Student 1908; Welch 1947.
    """
    value, error, freedom, n = _apart(before, after, paired=paired)
    half = _quantile(freedom) * error if error > 0 else error
    return Interval(value, value - half, value + half, n)


def chance(
    before: Sequence[float], after: Sequence[float], *, paired: bool, margin: float = 0.0
) -> float:
    """How often chance alone makes such a difference: the p-value, of both sides.

    It is below 0.05 where the interval of `difference` lies wholly beyond ±margin.

    Args:
        before: one value a run.
        after: the same.
        paired: see `difference`.
        margin: a true difference up to this counts as none; in the unit of the values.

    Returns:
        From 0 to 1; not a number where there is no interval.

    Raises:
        ValueError: paired values of two lengths.
    """
    value, error, freedom, _ = _apart(before, after, paired=paired)
    beyond = abs(value) - margin
    if math.isnan(error):
        return math.nan
    if error == 0:
        return float(beyond <= 0)
    return min(1.0, 2 * float(special.stdtr(freedom, -beyond / error)))


def holm(chances: Sequence[float]) -> list[float]:
    """p-values, raised by how many there are: all below 0.05 are right at once in 95 of 100.

    What is not a number stays so, and does not count. Source: Holm 1979.
    """
    found = [math.nan] * len(chances)
    known = sorted((p, at) for at, p in enumerate(chances) if not math.isnan(p))
    least = 0.0
    for rank, (p, at) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * p))
        found[at] = least
    return found


def _quantile(freedom: float) -> float:
    """Of Student's t; `scipy.stats.t.ppf` takes a hundred times as long."""
    return float(special.stdtrit(freedom, (1 + LEVEL) / 2))


class _Apart(NamedTuple):
    """A difference of means, its standard error, which is not a number where one value has none."""

    value: float
    error: float
    freedom: float
    n: int


def _apart(before: Sequence[float], after: Sequence[float], *, paired: bool) -> _Apart:
    if paired:
        if len(before) != len(after):
            raise ValueError(f"paired: {len(before)} values before, {len(after)} after")
        pairs = zip(before, after, strict=True)
        of = _finite([other - one for one, other in pairs])
        if len(of) < 2:
            return _Apart(float(of[0]) if len(of) else math.nan, math.nan, math.nan, len(of))
        error = float(of.std(ddof=1)) / math.sqrt(len(of))
        return _Apart(float(of.mean()), error, len(of) - 1, len(of))
    one, other = _finite(before), _finite(after)
    n = len(one) + len(other)
    if len(one) == 0 or len(other) == 0:
        return _Apart(math.nan, math.nan, math.nan, 0)
    value = float(other.mean() - one.mean())
    if len(one) == 1 or len(other) == 1:
        return _Apart(value, math.nan, math.nan, n)
    parts = [float(of.var(ddof=1)) / len(of) for of in (one, other)]
    both = sum(parts)
    if both == 0:  # no spread: the difference is known
        return _Apart(value, 0.0, math.nan, n)
    one_share, other_share = (part / both for part in parts)
    freedom = 1 / (one_share**2 / (len(one) - 1) + other_share**2 / (len(other) - 1))
    return _Apart(value, math.sqrt(both), freedom, n)
