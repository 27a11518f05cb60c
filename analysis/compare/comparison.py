"""All that is compared, and the verdict."""

from dataclasses import dataclass

import pandas as pd

from analysis.compare import differences
from analysis.compare.differences import Difference, Verdict
from analysis.compare.health import Health, health
from analysis.compare.pairing import ABSENT, Change, Pairing, changes, pair
from analysis.compare.side import Side
from analysis.settings import shown

CODE = ("git_revision", "execution", "device", "threads")
"""Columns that say what computed a run, beside `version.*`."""


@dataclass(frozen=True)
class Comparison:
    """A and B.

    Attributes:
        before: A.
        after: B.
        code: revisions, versions and devices that differ.
        pairing: what is compared with what, and what of the configuration differs.
        identical: pairs whose losses have the same bits, and pairs that have losses.
        losses: judged; see `differences.losses`.
        health: see `health`.
        numbers: of the gradients, and the time.
        verdict: worse if any loss or any run is; see `reasons`.
        reasons: for it, a sentence each.
    """

    before: Side
    after: Side
    code: tuple[Change, ...]
    pairing: Pairing
    identical: tuple[int, int]
    losses: tuple[Difference, ...]
    health: Health
    numbers: tuple[Difference, ...]
    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def intervals(self) -> int:
        """How many losses have one."""
        return sum(found.chance == found.chance for found in self.losses)


def compare(before: Side, after: Side, tolerance: float = 0.0) -> Comparison:
    """Compare two sets of runs.

    Args:
        before: A.
        after: B.
        tolerance: a difference in loss up to this is none, in nats.

    Raises:
        RecordError: no setting is in both.
    """
    pairing = pair(before, after)
    losses = tuple(differences.losses(before, after, pairing, tolerance))
    told = health(before, after, pairing)
    same = differences.identical(before, after, pairing)
    verdict, reasons = _verdict(losses, told, same, pairing, tolerance)
    return Comparison(
        before,
        after,
        _code(before, after),
        pairing,
        same,
        losses,
        told,
        tuple(differences.numbers(before, after, pairing)),
        verdict,
        tuple(reasons),
    )


def _code(before: Side, after: Side) -> tuple[Change, ...]:
    names = [
        name
        for name in dict.fromkeys([*before.runs.columns, *after.runs.columns])
        if name in CODE or name.startswith("version.")
    ]
    one, other = (
        pd.DataFrame(
            {name: of.runs[name].map(shown) if name in of.runs else ABSENT for name in names},
            index=of.runs.index,
        )
        for of in (before, after)
    )
    return changes(one, other, names)


def _verdict(
    losses: tuple[Difference, ...],
    told: Health,
    same: tuple[int, int],
    pairing: Pairing,
    tolerance: float,
) -> tuple[Verdict, list[str]]:
    """The worst that is sure, and all that is."""
    reasons: dict[Verdict, list[str]] = {"worse": [], "better": []}
    for found in losses:
        if found.verdict in reasons:
            way = "higher" if found.verdict == "worse" else "lower"
            reasons[found.verdict].append(
                f"{found.quantity} loss is {abs(found.difference.value):.4g} nats {way}"
                f"{_at(found.setting)}"
            )
    for of in told.settings:
        if of.fell:
            reasons["worse"].append(f"fewer runs are healthy{_at(of.setting)}")
    sick, healthy = told.of("became sick"), told.of("became healthy")
    if sick:
        reasons["worse"].append(f"{len(sick)} became sick")
    if healthy:
        reasons["better"].append(f"{len(healthy)} became healthy")
    for verdict, why in reasons.items():
        if why:  # and what is better besides
            return verdict, [reason for told in reasons.values() for reason in told]
    known = [found for found in losses if found.chance == found.chance]
    pairs = sum(len(group.before) for group in pairing.groups)
    if same[1] and same == (pairs, pairs) and all(group.paired for group in pairing.groups):
        return "identical", ["all losses of all pairs have the same bits"]
    if not known:
        return "cannot be told", ["no loss has an interval, and no run became sick or healthy"]
    if any(found.verdict in ("no different", "identical") for found in known):
        beyond = "beyond chance" if not tolerance else f"by more than {tolerance:g} nats for sure"
        return "no different", [f"no loss differs {beyond}, and no run became sick or healthy"]
    return "cannot be told", ["losses may differ; there are too few seeds to be sure"]


def _at(setting: str | None) -> str:
    return " in the mean over settings" if setting is None else f" at {setting}" if setting else ""
