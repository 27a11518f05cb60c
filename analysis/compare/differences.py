"""B less A, in numbers, with intervals: losses, which are judged, and what else is measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from analysis import stats
from analysis.compare.pairing import Pairing, Pooled, Sample, pooled
from analysis.compare.side import Side
from analysis.stats import Interval

LOSSES = ("train", "validation", "test")
NUMBERS = ("profile", "gap", "step_time")

_Told = tuple[str, str | None, Pooled]
"""A quantity, its setting, and its sample."""

Verdict = Literal["worse", "better", "identical", "no different", "cannot be told"]


@dataclass(frozen=True)
class Difference:
    """A number of B against that of A.

    Attributes:
        quantity: of `LOSSES`, in nats, or of `NUMBERS`, as `Side` has them.
        setting: of `Group`; none: the mean over `settings` of them, seed by seed.
        settings: how many.
        before: A's mean over seeds.
        after: B's.
        difference: of the two; its `n` counts pairs, or the seeds of both sides.
        paired: by the seed.
        chance: p-value, raised by how many losses are compared; not a number without an interval.
        verdict: less is better.
    """

    quantity: str
    setting: str | None
    settings: int
    before: Interval
    after: Interval
    difference: Interval
    paired: bool
    chance: float = math.nan
    verdict: Verdict = "cannot be told"


def losses(before: Side, after: Side, pairing: Pairing, tolerance: float) -> list[Difference]:
    """Of whole splits, by setting and over all settings, judged.

    Of the 5 of 100 false alarms that are allowed, half go to the means over all settings and half
    to the single settings; within either half they are shared by Holm's way.

    Args:
        before: A.
        after: B.
        pairing: of the two.
        tolerance: a difference up to this is none, in nats.
    """
    families: list[list[tuple[Difference, float]]] = []
    for family in _families(before, after, pairing, [f"loss_{name}" for name in LOSSES]):
        told: list[tuple[Difference, float]] = []
        for quantity, setting, (sample, settings) in family:
            p = stats.chance(*sample[:2], paired=sample.paired, margin=tolerance)
            found = _difference(quantity.removeprefix("loss_"), setting, sample, settings)
            if sample.paired and sample.before and sample.before == sample.after:
                found = replace(found, verdict="identical")
            told.append((found, p))
        families.append(told)
    share = sum(any(not math.isnan(p) for _, p in family) for family in families)
    return [
        _judged(found, min(1.0, share * p) if p == p else p, tolerance)
        for family in families
        for (found, _), p in zip(family, stats.holm([p for _, p in family]), strict=True)
    ]


def numbers(before: Side, after: Side, pairing: Pairing) -> list[Difference]:
    """Of the gradients and the time, not judged: which way is better depends.

    Time has no interval: the runs of a stack share one, and another machine has another.
    """
    found = [
        _difference(quantity, setting, *told)
        for family in _families(before, after, pairing, NUMBERS)
        for quantity, setting, told in family
    ]
    return [_bare(of) if of.quantity == "step_time" else of for of in found]


def _bare(found: Difference) -> Difference:
    sides = {name: getattr(found, name) for name in ("before", "after", "difference")}
    none = {"low": math.nan, "high": math.nan}
    return replace(found, **{name: of._replace(**none) for name, of in sides.items()})


def identical(before: Side, after: Side, pairing: Pairing) -> tuple[int, int]:
    """In how many pairs all losses have the same bits, and of how many that have losses."""
    same: list[bool] = []
    for group in pairing.groups:
        if not group.paired:
            continue
        columns = [f"loss_{name}" for name in LOSSES]
        samples = [
            group.sample(before.runs[name].to_dict(), after.runs[name].to_dict())
            for name in columns
        ]
        for at in range(len(group.before)):
            pairs = [(of.before[at], of.after[at]) for of in samples]
            if all(map(math.isfinite, (value for values in pairs for value in values))):
                same.append(all(one == other for one, other in pairs))
    return sum(same), len(same)


def _families(
    before: Side, after: Side, pairing: Pairing, columns: Sequence[str]
) -> list[list[_Told]]:
    """Samples: over all settings, if there are several, and by setting."""
    groups = pairing.groups
    over_all: list[_Told] = []
    single: list[_Told] = []
    for name in columns:
        tables = (of.numbers if name in of.numbers else of.runs for of in (before, after))
        one, other = (table[name].to_dict() for table in tables)
        if len(groups) > 1:
            over_all.append((name, None, pooled(groups, one, other)))
        for group in groups:
            sample = group.sample(one, other)
            single.append((name, group.setting, Pooled(_known(sample), 1)))
    return [over_all, single]


def _known(sample: Sample) -> Sample:
    """Without the pairs that lack a number on either side, as one that diverged does."""
    if not sample.paired:
        return sample
    pairs = [pair for pair in zip(*sample[:2], strict=True) if all(map(math.isfinite, pair))]
    return Sample([one for one, _ in pairs], [other for _, other in pairs], paired=True)


def _difference(quantity: str, setting: str | None, sample: Sample, settings: int) -> Difference:
    return Difference(
        quantity,
        setting,
        settings,
        stats.mean(sample.before),
        stats.mean(sample.after),
        stats.difference(*sample[:2], paired=sample.paired),
        sample.paired,
    )


def _judged(found: Difference, chance: float, tolerance: float) -> Difference:
    found = replace(found, chance=chance)
    if found.verdict == "identical" or math.isnan(chance):
        return found
    value, low, high, _ = found.difference
    if chance < 1 - stats.LEVEL:
        return replace(found, verdict="worse" if value > 0 else "better")
    # alone it would be one or the other; among so many, one such may be chance
    doubtful = low > tolerance or high < -tolerance
    return replace(found, verdict="cannot be told" if doubtful else "no different")
