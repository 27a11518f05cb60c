"""Health of A and of B: how many runs, and which turned."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pandas as pd
from scipy import stats as scipy_stats

from analysis import stats
from analysis.compare.pairing import Group, Pairing, Seeds
from analysis.compare.side import Side
from analysis.stats import Interval

Way = Literal["became sick", "became healthy", "sick in another way"]


@dataclass(frozen=True)
class Turn:
    """A pair, or a setting whose runs are no pairs, whose verdict is another in B.

    Attributes:
        way: from A to B.
        setting: of `Group`.
        seed: of the pair; none where the whole setting turned.
        before: the verdict in A.
        after: in B.
        run: of B, the first.
        fix: of the first finding of that run; empty if it is healthy.
    """

    way: Way
    setting: str
    seed: str | None
    before: str
    after: str
    run: str
    fix: str


@dataclass(frozen=True)
class Shares:
    """Healthy shares of runs, with Wilson's intervals; runs that nobody looked at do not count.

    Attributes:
        setting: of `Group`; none: of all that are compared.
        before: A's.
        after: B's.
        chance: of runs that are no pairs, Fisher's exact p-value that fewer are healthy in B,
            raised by Holm for the number of settings; not a number for pairs.
    """

    setting: str | None
    before: Interval
    after: Interval
    chance: float = math.nan

    @property
    def fell(self) -> bool:
        """Whether fewer are healthy, beyond chance."""
        return self.chance < 1 - stats.LEVEL


@dataclass(frozen=True)
class Health:
    """What changed in it.

    Attributes:
        whole: of all runs that are compared.
        settings: of each setting.
        verdicts: how many runs of A and of B have each, in the order of the alphabet.
        turns: sick ones first.
    """

    whole: Shares
    settings: tuple[Shares, ...]
    verdicts: Mapping[str, tuple[int, int]]
    turns: tuple[Turn, ...]

    def of(self, way: Way) -> list[Turn]:
        """Those that turned in one way."""
        return [turn for turn in self.turns if turn.way == way]


def health(before: Side, after: Side, pairing: Pairing) -> Health:
    """Compare it, run by run where there are pairs."""
    groups = pairing.groups
    one = before.runs.loc[[run for group in groups for run in _runs(group.before)]]
    other = after.runs.loc[[run for group in groups for run in _runs(group.after)]]
    counts = [Counter(map(str, of["verdict"])) for of in (one, other)]
    sides = _told(before.runs), _told(after.runs)
    turns = [turn for group in groups for turn in _turns(group, *sides)]
    order: tuple[Way, ...] = ("became sick", "became healthy", "sick in another way")
    return Health(
        Shares(None, _share(one), _share(other)),
        tuple(_shares(groups, before.runs, after.runs)),
        {name: (counts[0][name], counts[1][name]) for name in sorted(counts[0] | counts[1])},
        tuple(sorted(turns, key=lambda turn: order.index(turn.way))),
    )


def _runs(seeds: Seeds) -> list[str]:
    return [run for runs in seeds.values() for run in runs]


def _share(runs: pd.DataFrame) -> Interval:
    known = runs["healthy"].dropna()
    return stats.share(int(known.sum()), len(known))


def _shares(groups: Iterable[Group], before: pd.DataFrame, after: pd.DataFrame) -> Iterable[Shares]:
    found: list[Shares] = []
    for group in groups:
        one, other = before.loc[_runs(group.before)], after.loc[_runs(group.after)]
        shares = Shares(group.setting, _share(one), _share(other))
        found.append(shares)
    chances = [
        math.nan if group.paired else _fewer(of.before, of.after)
        for group, of in zip(groups, found, strict=True)
    ]
    for of, chance in zip(found, stats.holm(chances), strict=True):
        yield Shares(of.setting, of.before, of.after, chance)


def _fewer(before: Interval, after: Interval) -> float:
    """Fisher's exact p-value that a smaller share is healthy. Source: Fisher 1922."""
    if before.n == 0 or after.n == 0:
        return math.nan
    hits = [round(of.value * of.n) for of in (before, after)]
    table = [[hits[0], before.n - hits[0]], [hits[1], after.n - hits[1]]]
    found = scipy_stats.fisher_exact(table, alternative="greater")
    return float(found.pvalue)  # pyright: ignore[reportAttributeAccessIssue]


class _Run(NamedTuple):
    """What is told of one; healthy: none where nobody looked."""

    name: str
    verdict: str
    fix: str
    healthy: bool | None


def _told(runs: pd.DataFrame) -> dict[str, _Run]:
    healthy = [None if pd.isna(of) else bool(of) for of in runs["healthy"]]
    rows = zip(runs.index, runs["verdict"], runs["fix"], healthy, strict=True)
    return {str(name): _Run(str(name), str(verdict), fix, of) for name, verdict, fix, of in rows}


def _turns(group: Group, before: Mapping[str, _Run], after: Mapping[str, _Run]) -> Iterable[Turn]:
    if group.paired:
        for seed, runs in group.before.items():
            pairs = ((before[run] for run in runs), (after[run] for run in group.after[seed]))
            yield from _turn(group.setting, seed, *map(list, pairs))
    else:
        one = [before[run] for run in _runs(group.before)]
        other = [after[run] for run in _runs(group.after)]
        # of single runs of other seeds nobody knows what they were in A: all must have turned
        if all(len({run.healthy for run in of}) == 1 for of in (one, other)):
            yield from _turn(group.setting, None, one, other)


def _turn(
    setting: str, seed: str | None, one: Sequence[_Run], other: Sequence[_Run]
) -> Iterable[Turn]:
    """One is healthy if all of its runs are; what nobody looked at has not turned."""
    if any(run.healthy is None for run in (*one, *other)):
        return
    was, now = (all(run.healthy for run in of) for of in (one, other))
    before, after = (", ".join(sorted({run.verdict for run in of})) for of in (one, other))
    way: Way
    if was and not now:
        way = "became sick"
    elif now and not was:
        way = "became healthy"
    elif not was and before != after:
        way = "sick in another way"
    else:
        return
    told = next(run for run in other if run.healthy == now)
    yield Turn(way, setting, seed, before, after, told.name, told.fix)
