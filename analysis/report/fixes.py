"""Whether a fix was tried: runs that differ from the sick ones by it alone, and how they are."""

from typing import NamedTuple

import pandas as pd

from analysis.settings import shown, varying
from ninja.diagnosis.fixes import GAINS
from ninja.number import number

GROUPS = {"norm": "norm.name", "init": "init.scheme", "optimizer": "optimizer.name"}
"""What choosing an option of a group says, by the key that it names."""


class Tried(NamedTuple):
    """Runs with the fix.

    Attributes:
        healthy: of them.
        runs: all of them that were looked at.
    """

    healthy: int
    runs: int


def tried(fix: str, sick: pd.DataFrame, runs: pd.DataFrame) -> Tried | None:
    """The runs that are what these would be after the fix, seeds apart; none if there is none.

    Args:
        fix: overrides of `run.py`; what is a line of PyTorch was tried by nobody here.
        sick: rows of the table of runs.
        runs: all of the study.
    """
    wanted = _overrides(fix)
    if not wanted or any(key not in runs for key in wanted):
        return None
    others = [key for key in varying(runs) if key not in wanted and key != "seed"]
    same = pd.Series(True, index=runs.index)
    for key, value in wanted.items():
        same &= runs[key].map(lambda of, key=key: _number(key, shown(of))) == _number(key, value)
    if others:
        there = pd.MultiIndex.from_frame(runs[others].map(shown))
        mine = pd.MultiIndex.from_frame(sick[others].map(shown))
        same &= pd.Series(there.isin(mine), index=runs.index)
    found = runs[same & ~runs.index.isin(sick.index) & runs["healthy"].notna()]
    if found.empty:
        return None
    return Tried(int(found["healthy"].sum()), len(found))


def _overrides(fix: str) -> dict[str, str]:
    """By key; empty if it is something else."""
    pairs = [part.partition("=") for part in fix.split()]
    if not all(equals and key.replace(".", "").isidentifier() for key, equals, _ in pairs):
        return {}
    return {GROUPS.get(key, key): value for key, _, value in pairs}


def _number(key: str, value: str) -> object:
    """What two ways to type it have in common: 5/3 and tanh are one gain."""
    if key == "init.gain" and value in GAINS:
        return float(GAINS[value])
    found = number(value)
    return value if found is None else found
