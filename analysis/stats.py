"""Means, shares and differences, with intervals that say how sure they are."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

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
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(of) - 1) * of.std(ddof=1) / math.sqrt(len(of)))
    return Interval(middle, middle - half, middle + half, len(of))


def share(hits: int, n: int) -> Interval:
    """A share of runs, with Wilson's interval, which is right at 0 of n and at n of n too.

    Raises:
        ValueError: more hits than runs, or fewer than none.

    Source: Wilson 1927.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"hits: {hits} of {n} is no share")
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    found = stats.binomtest(hits, n).proportion_ci(LEVEL, method="wilson")
    return Interval(hits / n, float(found.low), float(found.high), n)


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
    if paired:
        if len(before) != len(after):
            raise ValueError(f"paired: {len(before)} values before, {len(after)} after")
        apart = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
        return mean(apart.tolist())
    one, other = _finite(before), _finite(after)
    n = len(one) + len(other)
    if len(one) == 0 or len(other) == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    middle = float(other.mean() - one.mean())
    if len(one) == 1 or len(other) == 1:
        return Interval(middle, math.nan, math.nan, n)
    one_error, other_error = (float(of.var(ddof=1)) / len(of) for of in (one, other))
    error = one_error + other_error
    if error == 0:  # no spread: the difference is known
        return Interval(middle, middle, middle, n)
    freedom = error**2 / (one_error**2 / (len(one) - 1) + other_error**2 / (len(other) - 1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * math.sqrt(error)
    return Interval(middle, middle - half, middle + half, n)
