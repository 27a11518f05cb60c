"""What a study claims: a quantity, who predicts it, and how near a measurement must come."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from experiments.panels import Panel, panels
from ninja.errors import NinjaError, nearest
from ninja.mutants import Mutant

FOLDER = Path(__file__).parent
FILE = "claims.yaml"
NEEDED = ("quantity", "source", "how", "predicted")
KEYS = (*NEEDED, "tolerance", "published", "quick")


class ClaimError(NinjaError):
    """A study that is not there, or a file of claims that says something else than claims."""


@dataclass(frozen=True)
class Tolerance:
    """How far from what is predicted a measurement may lie.

    Attributes:
        size: of the distance, or of its ratio to what is predicted.
        relative: it is a ratio.
    """

    size: float
    relative: bool

    def __str__(self) -> str:
        return f"{100 * self.size:g} %" if self.relative else f"{self.size:g}"

    def distance(self, predicted: float) -> float:
        """The largest that passes."""
        return self.size * abs(predicted) if self.relative else self.size


@dataclass(frozen=True)
class Claim:
    """One number that a study must find.

    Attributes:
        name: the key of its measurement.
        quantity: what it is, in words.
        source: who says so: paper and section, or the identity.
        how: it is computed from what the probes record.
        predicted: by the source.
        tolerance: of a whole measurement; none of what is only claimed of the words that the source
            had.
        published: of a measurement on those; the same, if nothing is said.
        quick: of one with fewer seeds or steps; the same, if nothing is said.
    """

    name: str
    quantity: str
    source: str
    how: str
    predicted: float
    tolerance: Tolerance | None
    published: Tolerance | None = None
    quick: Tolerance | None = None

    def within(self, *, quick: bool, published: bool = False) -> Tolerance | None:
        """The tolerance of such a measurement; none if nothing is claimed of it."""
        if self.tolerance is None and not published:
            return None
        if quick and self.quick is not None:
            return self.quick
        return self.published if published and self.published is not None else self.tolerance


@dataclass(frozen=True)
class Study:
    """A question, and the claims that answer it.

    Attributes:
        name: its folder.
        question: in a sentence.
        claims: by name.
        figure: its panels, which show the claims that answer it.
        broken_by: a mistake in the product's own code that must make a claim fail.
        words: SHA-256 of the word list that the source had; empty if the study takes no list.
    """

    name: str
    question: str
    claims: Mapping[str, Claim]
    figure: tuple[Panel, ...]
    broken_by: Mutant
    words: str = ""


@dataclass(frozen=True)
class Judged:
    """A claim beside its measurement.

    Attributes:
        claim: what was predicted.
        values: one a seed, or a single one.
        within: how near to it they must come.
        quick: they are of fewer seeds or steps.
        seconds: that it took to measure all of its study.
    """

    claim: Claim
    values: Sequence[float]
    within: Tolerance
    quick: bool = False
    seconds: float = math.nan

    @property
    def mean(self) -> float:
        """Of the seeds; not a number, if one of them is not finite."""
        return statistics.fmean(self.values) if all(map(math.isfinite, self.values)) else math.nan

    @property
    def deviation(self) -> float:
        """Between seeds; not a number, of a single one or of what is not finite."""
        several = len(self.values) > 1 and all(map(math.isfinite, self.values))
        return statistics.stdev(self.values) if several else math.nan

    @property
    def passed(self) -> bool:
        """Near enough; what is not finite never is."""
        allowed = self.within.distance(self.claim.predicted)
        return abs(self.mean - self.claim.predicted) <= allowed


def names() -> list[str]:
    """Of all studies."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{FILE}"))


def read(name: str) -> Study:
    """The claims of a study.

    Raises:
        ClaimError: there is no such study, or its file is not as it should be.
    """
    if name not in names():
        raise ClaimError(nearest("study", name, names()))
    path = FOLDER / name / FILE
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
        claims = {key: _claim(key, given) for key, given in plain["claims"].items()}
        figure = panels(plain["figure"], claims)
        broken = Mutant(**plain["broken_by"])
        return Study(name, plain["question"], claims, figure, broken, plain.get("words", ""))
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        said = " ".join(str(error).split())
        raise ClaimError(f"{str(path)!r}: {type(error).__name__}: {said}") from None


def judge(
    study: Study,
    measured: Mapping[str, Sequence[float]],
    *,
    quick: bool,
    published: bool = False,
    seconds: float = math.nan,
) -> list[Judged]:
    """Every claim beside its measurement.

    Args:
        study: that claims.
        measured: all of its claims' numbers.
        quick: of fewer seeds or steps.
        published: on the words that the source had. What is only claimed of those is else left out.
        seconds: that it took.

    Raises:
        ClaimError: something was measured that nobody claims, or the other way round.
    """
    if apart := measured.keys() ^ study.claims.keys():
        raise ClaimError(
            f"{study.name}: only claimed, or only measured: {', '.join(sorted(apart))}"
        )
    within = {
        name: claim.within(quick=quick, published=published) for name, claim in study.claims.items()
    }
    return [
        Judged(study.claims[name], measured[name], tolerance, quick, seconds)
        for name, tolerance in within.items()
        if tolerance is not None
    ]


def _claim(name: str, given: Mapping[str, Any]) -> Claim:
    if unknown := given.keys() - set(KEYS):
        raise ValueError(f"{name}: {', '.join(sorted(unknown))} is no key of a claim")
    if missing := set(NEEDED) - given.keys():
        raise ValueError(f"{name}: {', '.join(sorted(missing))} is missing")
    if not {"tolerance", "published"} & given.keys():
        raise ValueError(f"{name}: tolerance is missing")
    tolerances = (
        _tolerance(name, given[key]) if key in given else None
        for key in ("tolerance", "published", "quick")
    )
    quantity, source, how = (str(given[key]) for key in ("quantity", "source", "how"))
    return Claim(name, quantity, source, how, _number(name, given["predicted"]), *tolerances)


def _number(name: str, given: Any) -> float:
    value = math.nan if isinstance(given, bool) else _float(given)
    if not math.isfinite(value):
        raise ValueError(f"{name}: predicted: {given!r} is no finite number")
    return value


def _tolerance(name: str, given: Any) -> Tolerance:
    """A number, or a text that ends in "%"."""
    text = str(given).strip()
    size = _float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= size < math.inf:
        raise ValueError(f"{name}: {given!r} is no tolerance, give 0.006 or 1.5 %")
    return Tolerance(size, text.endswith("%"))


def _float(given: Any) -> float:
    """Not a number, where it is none."""
    try:
        return float(given)
    except (TypeError, ValueError, OverflowError):
        return math.nan
