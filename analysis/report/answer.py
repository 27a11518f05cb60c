"""The headline: which settings are healthy, which are not, and what fixes them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd

from analysis import stats
from analysis.kinds import HEALTHY, UNKNOWN, kinds
from analysis.report.axes import decisive, described, tied
from analysis.report.fixes import Tried, tried
from analysis.settings import apart, setting, varying
from analysis.stats import Interval
from analysis.tables import Records
from ninja.diagnosis import KINDS
from ninja.diagnosis.fixes import GAINS
from ninja.diagnosis.ranges import GAP

LINES = 10
"""The most that is printed."""

WORDS = 3
"""Settings, layers or fixes that are told; of the others only how many there are."""


@dataclass(frozen=True)
class Group:
    """Runs of a study that have the same verdict.

    Attributes:
        kind: "healthy", "unknown", or the class of the first finding.
        settings: in words, few; empty where the study has one setting.
        runs: how many.
        layers: where it was found, the most frequent first.
        steps: the first and the last step at which it was first seen; none where no step was.
        reason: of one of them, in a sentence.
        fixes: what is proposed, the most frequent first.
        tried: runs of the study that have the first fix.
        eased: of healthy ones, how many had something at the start that training mended.
    """

    kind: str
    settings: tuple[str, ...]
    runs: int
    layers: tuple[str, ...] = ()
    steps: tuple[int, int] | None = None
    reason: str = ""
    fixes: tuple[str, ...] = ()
    tried: Tried | None = None
    eased: int = 0


@dataclass(frozen=True)
class Best:
    """The setting with the lowest validation loss, among those that are healthy.

    Attributes:
        setting: in words.
        loss: in nats, the mean over seeds.
    """

    setting: str
    loss: Interval


@dataclass(frozen=True)
class Study:
    """What its runs say together.

    Attributes:
        name: of its folder.
        runs: how many.
        healthy: of those.
        configured: any of them has a configuration; a watched training has none.
        keys: of the configuration that the verdict turns on.
        tied: keys that never differ but where those do, so that it may turn on them as well.
        others: the keys that differ too, without the seed, and make no difference to it.
        groups: the healthy ones first, then by class, causes first.
        best: none where no loss is known.
    """

    name: str
    runs: int
    healthy: int
    configured: bool
    keys: tuple[str, ...]
    tied: tuple[str, ...]
    others: tuple[str, ...]
    groups: tuple[Group, ...]
    best: Best | None


@dataclass(frozen=True)
class Answer:
    """To the question whether the gradients are healthy.

    Attributes:
        runs: that could be read.
        healthy: of those.
        unknown: of those, at which nobody looked.
        share: of healthy ones among those that were looked at, with its interval.
        states: how many runs diverged, are unfinished or were watched.
        studies: the largest first.
        gap: the largest from the other engine, and in how many runs it was taken; none if in none.
        skipped: how many could not be read.
    """

    runs: int
    healthy: int
    unknown: int
    share: Interval
    states: tuple[tuple[str, int], ...]
    studies: tuple[Study, ...]
    gap: tuple[float, int] | None
    skipped: int


def answer(records: Records) -> Answer:
    """From the records alone."""
    runs = records.runs
    healthy, unknown = int(runs["healthy"].sum()), int(runs["healthy"].isna().sum())
    counts = runs["status"].value_counts()
    states = tuple(
        (name, int(counts[name]))
        for name in ("diverged", "unfinished", "watched")
        if name in counts.index
    )
    studies = [_study(str(name), of) for name, of in runs.groupby("study", sort=True)]
    studies.sort(key=lambda study: (-study.runs, study.name))
    return Answer(
        len(runs),
        healthy,
        unknown,
        stats.share(healthy, len(runs) - unknown),
        states,
        tuple(studies),
        _gap(records.steps),
        len(records.skipped),
    )


def _study(name: str, runs: pd.DataFrame) -> Study:
    of = kinds(runs)
    keys = [key for key in apart(runs) if key != "seed"]
    turns = decisive(runs[keys], of)
    order = [HEALTHY, *KINDS, UNKNOWN]
    groups = [
        _group(kind, runs[of == kind], runs, turns)
        for kind in sorted(of.unique(), key=lambda kind: order.index(kind))
    ]
    bound = tied(runs[[key for key in varying(runs) if key != "seed"]], turns)
    others = tuple(key for key in keys if key not in turns and key not in bound)
    healthy = int(runs["healthy"].sum())
    best = _best(runs[of == HEALTHY], keys, turns)
    ours = bool((runs["status"] != "watched").any())
    told = tuple(turns), tuple(bound), others
    return Study(name, len(runs), healthy, ours, *told, tuple(groups), best)


def _group(kind: str, these: pd.DataFrame, runs: pd.DataFrame, keys: Sequence[str]) -> Group:
    words = tuple(_words(these, runs, keys))
    if kind in (HEALTHY, UNKNOWN):
        return Group(kind, words, len(these), eased=int((these["severity"] == "warning").sum()))
    fixes = _frequent(these["fix"])
    steps = these["first_step"].dropna()
    return Group(
        kind,
        words,
        len(these),
        _frequent(these["layer"]),
        (int(steps.min()), int(steps.max())) if len(steps) else None,
        str(these["reason"].iloc[0]),
        fixes,
        tried(fixes[0], these[these["fix"] == fixes[0]], runs) if fixes else None,
    )


def _words(these: pd.DataFrame, runs: pd.DataFrame, keys: Sequence[str]) -> Iterator[str]:
    """Their settings; of one whose other runs are of another kind, how many these are."""
    if not keys:
        return
    every, mine = setting(runs, [*keys]), setting(these, [*keys])
    sizes, counts = Counter(every), Counter(mine)
    mixed = {name: count for name, count in counts.items() if count < sizes[name]}
    yield from described(these.loc[~mine.isin(mixed), [*keys]], runs[[*keys]])
    for name in dict.fromkeys(mine[mine.isin(mixed)]):
        yield f"{name} ({mixed[name]:,} of {plural(sizes[name], 'run')})"


def _frequent(names: pd.Series) -> tuple[str, ...]:
    """The most frequent first, of equals the first in the alphabet; nothing is none."""
    counts = names[names != ""].value_counts()
    return tuple(sorted(map(str, counts.index), key=lambda name: (-int(counts[name]), name)))


def _best(healthy: pd.DataFrame, keys: Sequence[str], turns: Sequence[str]) -> Best | None:
    """By the mean over seeds; runs of one seed are one value, or an engine would count as a seed.

    Where keys do not change the verdict they may still change the loss, so that all are looked at;
    but two engines are no two settings.
    """
    names = [key for key in keys if key != "backward" or key in turns]
    known = healthy[np.isfinite(healthy["loss_validation"])]
    if known["data_sha256"].nunique() != 1:  # none is known, or of several lists: no contest
        return None
    label = setting(known, names)
    seeds = known["seed"] if "seed" in known else pd.Series(0, index=known.index)
    means = known["loss_validation"].groupby([label, seeds.astype(str)]).mean()
    of = means.groupby(level=0)
    first = str(of.mean().idxmin())
    return Best(first, stats.mean(means[first].tolist()))


def _gap(steps: pd.DataFrame) -> tuple[float, int] | None:
    if "gap" not in steps or steps["gap"].notna().sum() == 0:
        return None
    known = steps[steps["gap"].notna()]
    return float(known["gap"].max()), int(known["run"].nunique())


# --- in words -----------------------------------------------------------------------------------


def lines(found: Answer, limit: int = LINES) -> list[str]:
    """The answer in at most so many lines, as `make run` prints it and the page begins."""
    first = [headline(found)]
    last = [line for line in (proof(found), skipped(found)) if line]
    room = limit - len(first) - len(last)
    several = len(found.studies) > 1
    told = [line for study in found.studies for line in _told(study, several=several)]
    if len(told) > room:
        told = [*told[: room - 1], f"and {len(told) - room + 1} lines more, in the report"]
    return [*first, *told, *last]


def headline(found: Answer) -> str:
    """How many are healthy."""
    if not found.runs:
        return "no run could be read" if found.skipped else "no run lies here yet"
    looked = found.runs - found.unknown
    so_far = {"unfinished": " (judged so far)"}
    states = "".join(f", {count:,} {name}{so_far.get(name, '')}" for name, count in found.states)
    if not looked:
        return f"nobody has looked at the gradients of {plural(found.runs, 'run')}{states}"
    unknown = f", {found.unknown:,} unknown" if found.unknown else ""
    if found.runs == 1:
        kind = found.studies[0].groups[0].kind
        state = "".join(f" ({name})" for name, _ in found.states if name != kind)
        return f"the run is {'healthy' if found.healthy else f'not healthy: {kind}'}{state}"
    verb = "is" if found.healthy == 1 else "are"
    runs = "runs"
    if dict(found.states).get("watched") == found.runs:
        states, runs = "", "watched trainings"
    return f"{found.healthy:,} of {looked:,} {runs} {verb} healthy{states}{unknown}"


def proof(found: Answer) -> str:
    """Of the gradients themselves; nothing if no gap was taken."""
    if found.gap is None:
        return ""
    gap, runs = found.gap
    verdict = "right" if gap <= GAP.high else "WRONG"
    return (
        f"by hand against autograd: {verdict}, the largest gap is {gap:.1e} in "
        f"{plural(runs, 'run')} (wrong above {GAP.high:.0e})"
    )


def skipped(found: Answer) -> str:
    """How many could not be read; nothing if all could."""
    if not found.skipped:
        return ""
    return f"{plural(found.skipped, 'run')} could not be read: the report names the files"


def _told(study: Study, *, several: bool) -> Iterator[str]:
    if several:
        yield f"{study.name}: {study.healthy:,} of {plural(study.runs, 'run')} healthy"
    indent = "  " if several else ""
    lone = len(study.groups) == 1 and not study.groups[0].settings
    for group in study.groups:
        if not (lone and group.kind in (HEALTHY, UNKNOWN)):
            yield f"{indent}{sentence(group)}"
    if study.best is not None and study.runs > 1 and study.best.setting:
        yield f"{indent}lowest validation loss: {study.best.loss} nats, {study.best.setting}"


def sentence(group: Group) -> str:
    """A group in a line."""
    of = few(group.settings, "; ")
    told = f"{group.kind}{f': {of}' if of else ''} ({plural(group.runs, 'run')}"
    if group.eased:
        told += f", {group.eased:,} of them after a start that was not"
    told += ")"
    if at := place(group):
        told += f", {at}"
    if group.fixes:
        told += f"; fix: {few(group.fixes, '; or ')}{proven(group)}"
    return told


def place(group: Group) -> str:
    """Where and since when."""
    layers = few(group.layers, ", ")
    if group.steps is None:
        return f"in {layers}" if layers else ""
    low, high = group.steps
    since = f"from step {low:,}" if low == high else f"from step {low:,} to {high:,}"
    return f"{since} in {layers}" if layers else since


def gain(fix: str) -> str:
    """The number of a gain that goes by an activation's name: 5/3 of "init.gain=tanh"; else ""."""
    key, _, name = fix.partition("=")
    if key != "init.gain" or name not in GAINS:
        return ""
    found = Fraction(GAINS[name]).limit_denominator(10)
    return str(found) if float(found) == GAINS[name] else f"{GAINS[name]:.4g}"


def proven(group: Group) -> str:
    """Whether the fix was tried, in brackets."""
    if group.tried is None:
        return ""
    healthy, runs = group.tried
    return f" (tried: {healthy:,} of {plural(runs, 'such run')} healthy)"


def few(words: Sequence[str], between: str) -> str:
    """The first ones, and how many more there are."""
    if len(words) <= WORDS:
        return between.join(words)
    return f"{between.join(words[:WORDS])}{between}{len(words) - WORDS:,} more"


def plural(count: int, noun: str) -> str:
    """Three runs, one run."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
