"""From labels and alarms to numbers: pure functions, each with a test by hand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from benchmarks.diagnosis.cases import HEALTHY


@dataclass(frozen=True)
class Score:
    """Of one class.

    Attributes:
        runs: that have it.
        precision: share of right ones among those that were called it; 0 where none was.
        recall: share of those that have it that were called it.
    """

    runs: int
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def scores(truth: Sequence[str], said: Sequence[str]) -> dict[str, Score]:
    """Every class that is in the truth."""
    right = Counter(a for a, b in zip(truth, said, strict=True) if a == b)
    there, called = Counter(truth), Counter(said)
    return {
        name: Score(
            count,
            right[name] / called[name] if called[name] else 0.0,
            right[name] / count,
        )
        for name, count in there.items()
    }


def macro_f1(of: dict[str, Score]) -> float:
    """The mean of the classes' F1."""
    return sum(score.f1 for score in of.values()) / len(of) if of else 0.0


def interval(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); of no runs at all, everything."""
    if not of:
        return 0.0, 1.0
    found = binomtest(hits, of).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def flagged(truth: Sequence[str], said: Sequence[str]) -> tuple[int, int]:
    """How many healthy runs were called something else, and how many there are."""
    healthy = [name for label, name in zip(truth, said, strict=True) if label == HEALTHY]
    return sum(name != HEALTHY for name in healthy), len(healthy)
