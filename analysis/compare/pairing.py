"""Which runs of A stand against which of B.

A key whose values in A and in B have nothing in common is what is compared: it is passed over. By
all the others, the seed aside, runs fall into settings. Within one, runs of the same seed are a
pair; where too few seeds are on both sides, all of A stand against all of B.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.compare.side import Side
from analysis.settings import keys, labels, shown, varying
from ninja.errors import RecordError

ABSENT = "(none)"
"""The value of a key that a side does not know, such as one of another version."""

NO_MATCH = ("seed", "data.path")
"""Keys that make no setting; which words were read, `data_sha256` says."""

WATCHED = "watched"
"""The name of a watched training, which has no configuration."""

Seeds = Mapping[str, tuple[str, ...]]
"""By the seed: names of runs. There may be several of one setting, as in two studies."""

Numbers = Mapping[Hashable, float]
"""One a run, by its name."""


class Change(NamedTuple):
    """What has another value in B.

    Attributes:
        name: of a key, or of a version.
        before: its values in A, in order.
        after: in B.
    """

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class Sample(NamedTuple):
    """A number of two groups of runs, one value a seed; paired: the n-th are of one seed."""

    before: list[float]
    after: list[float]
    paired: bool


@dataclass(frozen=True)
class Group:
    """Runs of one setting.

    Attributes:
        setting: what sets it apart from the other settings; empty when it is the only one.
        before: the runs of A that are compared.
        after: those of B; of the same seeds, in the same order, if they are paired.
        paired: by the seed.
    """

    setting: str
    before: Seeds
    after: Seeds
    paired: bool

    def sample(self, before: Numbers, after: Numbers) -> Sample:
        """A number of these runs, by the run's name; several of one seed are averaged."""
        one, other = (
            list(_means(seeds, column).values())
            for seeds, column in ((self.before, before), (self.after, after))
        )
        return Sample(one, other, self.paired)


@dataclass(frozen=True)
class Pairing:
    """What is compared with what.

    Attributes:
        groups: a setting each.
        changes: of the configuration, from the compared runs of A to those of B.
        left_out: other keys of which A or B has values that the other has not.
        alone_before: runs of A that no run of B stands against.
        alone_after: runs of B.
    """

    groups: tuple[Group, ...]
    changes: tuple[Change, ...]
    left_out: tuple[Change, ...]
    alone_before: tuple[str, ...]
    alone_after: tuple[str, ...]


def pair(before: Side, after: Side) -> Pairing:
    """Find the settings that both have, and the pairs in them.

    Raises:
        RecordError: they have none in common; it names the keys in the way.
    """
    one, other = _texts(before.runs), _texts(after.runs)
    names = list(dict.fromkeys([*one.columns, *other.columns]))
    one, other = (of.reindex(columns=names, fill_value=ABSENT) for of in (one, other))
    matched = [key for key in names if key not in NO_MATCH and set(one[key]) & set(other[key])]
    by_setting, by_setting_after = _settings(one, matched), _settings(other, matched)
    shared = [key for key in by_setting if key in by_setting_after]
    if not shared:
        raise RecordError(
            f"{before.place!r} and {after.place!r}: no setting is in both: they differ in "
            f"{', '.join(_differing(one, other, matched))}: compare runs of the same settings"
        )
    firsts = [next(iter(by_setting[key].values()))[0] for key in shared]
    told = one.loc[firsts].assign(status="done", study=before.runs["study"][firsts])
    groups = tuple(
        _group(label, by_setting[key], by_setting_after[key])
        for _, label, key in sorted(zip(*_labels(told, matched), shared, strict=True))
    )
    keys_only = [name for name in names if name != WATCHED]
    compared = (
        one.loc[_runs([group.before for group in groups])],
        other.loc[_runs([group.after for group in groups])],
    )
    changed = changes(*compared, keys_only)
    differ = {change.name for change in changed}
    return Pairing(
        groups,
        changed,
        tuple(of for of in changes(one, other, keys_only) if of.name not in differ),
        tuple(map(str, one.index.difference(compared[0].index))),
        tuple(map(str, other.index.difference(compared[1].index))),
    )


def changes(one: pd.DataFrame, other: pd.DataFrame, names: Sequence[str]) -> tuple[Change, ...]:
    """The columns of these that hold other values in `other`; both as text."""
    found = (Change(name, _values(one[name]), _values(other[name])) for name in names)
    return tuple(change for change in found if change.before != change.after)


class Pooled(NamedTuple):
    """A mean over settings, a value a seed, and over how many settings it is."""

    sample: Sample
    settings: int


def pooled(groups: Sequence[Group], before: Numbers, after: Numbers) -> Pooled:
    """The mean over the settings, a value a seed.

    Seeds stay what the values are of: runs of one seed in two settings tell less than two seeds.
    The seeds are those of most settings; one that lacks any of them, or a number, is left out.
    """
    whole = [group for group in groups if _is_finite(group.sample(before, after))]
    seeds, seeds_after = (
        _common([of.before for of in whole]),
        _common([of.after for of in whole]),
    )
    whole = [of for of in whole if seeds <= of.before.keys() and seeds_after <= of.after.keys()]
    one = _mean_of([_means(of.before, before) for of in whole], seeds)
    other = _mean_of([_means(of.after, after) for of in whole], seeds_after)
    same, same_after, paired = _aligned(one, other)
    sample = Sample([one[seed] for seed in same], [other[seed] for seed in same_after], paired)
    return Pooled(sample, len(whole))


def _common(sides: Sequence[Seeds]) -> set[str]:
    """Seeds that more than half of the settings have."""
    counts = Counter(seed for seeds in sides for seed in seeds)
    return {seed for seed, count in counts.items() if 2 * count > len(sides)}


def _mean_of(means: Sequence[Mapping[str, float]], seeds: Collection[str]) -> dict[str, float]:
    return {seed: float(np.mean([of[seed] for of in means])) for seed in seeds if means}


def _labels(
    told: pd.DataFrame, matched: Sequence[str]
) -> tuple[list[tuple[tuple[float, str], ...]], list[str]]:
    """Of one run a setting: by what they are sorted, and what sets them apart in their study."""
    axes = [key for key in varying(told) if key in matched]
    columns = told[["study", *axes]].itertuples(index=False, name=None)
    order = [tuple(map(_by_size, row)) for row in columns]
    texts = labels(told, without=set(told.columns) - set(matched))
    if told["study"].nunique() > 1:
        texts = (told["study"] + " " + texts).str.strip()
    return order, texts.tolist()


def _texts(runs: pd.DataFrame) -> pd.DataFrame:
    """Every key of the configuration, as it is typed."""
    found = pd.DataFrame({key: runs[key].map(shown) for key in keys(runs)}, index=runs.index)
    found[WATCHED] = runs["run_id"].where(runs["status"] == "watched", ABSENT)
    return found.astype("str")


def _settings(texts: pd.DataFrame, matched: Sequence[str]) -> dict[tuple[str, ...], Seeds]:
    """The runs of each setting, by seed."""
    found: dict[tuple[str, ...], dict[str, tuple[str, ...]]] = {}
    rows = texts[list(matched)].itertuples(index=False, name=None)
    seeds = texts["seed"] if "seed" in texts else pd.Series(ABSENT, index=texts.index)
    for run, seed, key in zip(texts.index, seeds, rows, strict=True):
        of = found.setdefault(key, {})
        of[seed] = (*of.get(seed, ()), str(run))
    return dict(found)


def _group(label: str, before: Seeds, after: Seeds) -> Group:
    seeds, seeds_after, paired = _aligned(before, after)
    return Group(
        label,
        {seed: before[seed] for seed in seeds},
        {seed: after[seed] for seed in seeds_after},
        paired,
    )


def _aligned(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[list[str], list[str], bool]:
    """The seeds to compare of either side, and whether they are pairs."""
    common = sorted(before.keys() & after.keys(), key=_by_size)
    if len(common) > 1 or (common and 1 in (len(before), len(after))):
        return common, common, True
    return sorted(before, key=_by_size), sorted(after, key=_by_size), False


def _means(seeds: Seeds, column: Numbers) -> dict[str, float]:
    return {seed: float(np.mean([column[run] for run in runs])) for seed, runs in seeds.items()}


def _is_finite(sample: Sample) -> bool:
    return bool(np.isfinite([*sample.before, *sample.after]).all())


def _values(column: pd.Series) -> tuple[str, ...]:
    return tuple(sorted(set(column), key=_by_size))


def _by_size(text: str) -> tuple[float, str]:
    """Numbers by their size, before words."""
    try:
        return float(text), text
    except ValueError:
        return float("inf"), text


def _differing(one: pd.DataFrame, other: pd.DataFrame, matched: Sequence[str]) -> list[str]:
    """Keys that both sides share some values of, but not all runs."""
    both = pd.concat([one, other])
    return [key for key in matched if both[key].nunique() > 1]


def _runs(sides: Sequence[Seeds]) -> list[str]:
    return [run for seeds in sides for runs in seeds.values() for run in runs]
