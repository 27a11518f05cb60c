"""Which keys a verdict turns on, and how to say many settings in a few words."""

import math
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from analysis.settings import shown
from ninja.number import number

SHOWN = 4
"""Values that are listed; of more numbers only the ends are, of more names the first."""


def decisive(settings: pd.DataFrame, kinds: pd.Series) -> list[str]:
    """The fewest of these keys that tell the runs' kinds apart as well as all of them do.

    A key is left out, the last one first, as long as no more runs differ from what most runs of
    their setting are.

    Args:
        settings: a column a key, a row a run; the keys that matter most first.
        kinds: of each run.
    """
    codes = pd.DataFrame(
        {key: pd.factorize(settings[key].map(shown))[0] for key in settings}, index=settings.index
    )
    kept = list(settings.columns)
    odd = _odd(codes, kept, kinds)
    for key in reversed(settings.columns):
        rest = [one for one in kept if one != key]
        if _odd(codes, rest, kinds) <= odd:
            kept = rest
    return kept


def tied(settings: pd.DataFrame, kept: Sequence[str]) -> list[str]:
    """The other keys that have one value wherever these have one each: nobody can tell them apart.

    Args:
        settings: a column a key, a row a run.
        kept: of `decisive`.
    """
    if not kept:
        return []
    told = settings.map(shown)
    groups = told.groupby([*kept], sort=False)
    names = [str(key) for key in told if key not in kept]
    return [key for key in names if groups[key].nunique().max() == 1]


def _odd(codes: pd.DataFrame, keys: Sequence[str], kinds: pd.Series) -> int:
    """Runs that are of another kind than most of their setting."""
    if not keys:
        return len(kinds) - int(kinds.value_counts().max()) if len(kinds) else 0
    counts = kinds.groupby([*(codes[key] for key in keys), kinds]).size()
    most = counts.groupby(level=list(range(len(keys)))).max()
    return len(kinds) - int(most.sum())


def described(these: pd.DataFrame, every: pd.DataFrame) -> list[str]:
    """Some of the settings in words: "norm.name=batchnorm", "norm.name=none init.gain=1, 5/3".

    Args:
        these: a column a key, a row a setting.
        every: the same of all settings that there are, these among them.
    """
    keys = list(every.columns)
    if not keys:
        return []
    mine, told = (frame.map(shown).drop_duplicates() for frame in (these, every))
    whole, left = _whole(mine, told) if len(keys) > 1 else ({}, mine)
    found = [f"{key}={_values(pd.Series(values), told[key])}" for key, values in whole.items()]
    if left.empty:
        return found
    spread = max(keys, key=lambda key: left[key].nunique())
    rest = [key for key in keys if key != spread]
    for at, group in left.groupby(rest) if rest else [((), left)]:
        beside = told
        for key, value in zip(rest, at, strict=True):
            beside = beside[beside[key] == value]
        of = _values(group[spread], beside[spread])
        found.append(
            " ".join([*(f"{key}={value}" for key, value in zip(rest, at)), f"{spread}={of}"])
        )
    return found


def _whole(these: pd.DataFrame, every: pd.DataFrame) -> tuple[dict[str, list[str]], pd.DataFrame]:
    """By key, values of which all settings are among these, most settings first; and the rest."""
    found: dict[str, list[str]] = {}
    left = these
    while len(left):
        sizes: dict[tuple[str, str], int] = {}
        for key in every:
            held, all_of, rest = (Counter(frame[key]) for frame in (these, every, left))
            for value, count in rest.items():
                if held[value] == all_of[value] and count > 1:
                    sizes[str(key), value] = count
        if not sizes:
            break
        key, value = max(sizes, key=lambda name: sizes[name])
        found.setdefault(key, []).append(value)
        left = left[left[key] != value]
    return found, left


def _values(these: pd.Series, every: pd.Series) -> str:
    """Of one key: a list; of many numbers between which no other lies, their ends."""
    names = sorted(these.unique(), key=order)
    if len(names) <= SHOWN:
        return ", ".join(names)
    if not any(math.isnan(_number(name)) for name in names):
        low, high = _number(names[0]), _number(names[-1])
        between = {name for name in every.unique() if low <= _number(name) <= high}
        if between == set(names):
            return f"{names[0]} to {names[-1]} ({len(names)} values)"
    return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"


def order(name: str) -> tuple[float, str]:
    """To sort values by, as they are shown: numbers by their size, names after them."""
    number = _number(name)
    return (math.inf if math.isnan(number) else number), name


def _number(name: str) -> float:
    """Behind a text such as "5/3"; not a number where there is none."""
    found = number(name)
    return math.nan if found is None else found
