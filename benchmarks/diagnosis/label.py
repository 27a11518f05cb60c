"""Labels by construction and by intervention: what a run is, its loss decides.

- A run is sick if it was made sick, loses more than its twin without the fault, and the twin is
  healthy: so the prescribed fix restores the loss.
- A run is healthy if it was not made sick, and learns nearly as much as the best of its family.
- Every other run is left out, and counted.
- A step that is too large makes a run unstable, or kills its units, or is the end of it: where a
  number was none, the run is called diverged.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from benchmarks.diagnosis.cache import Record
from benchmarks.diagnosis.cases import AREA, HEALTHY, Case, Concern

LEARNT = 0.8
"""Of what the best of the family learnt below ln C, so much is healthy."""
SPOILT = 0.1
"""Nats that a fault must cost, of the loss that it concerns."""

BY_RATE = ("unstable", "dead_step")
FINITE = ("dead", "linear", "mismatch", "saturated", "stalled", "symmetric", "vanishing")
"""Classes whose runs cannot diverge: one that does has another fault as well."""


@dataclass(frozen=True)
class Labelled:
    """A case with its record, and what came of it.

    Attributes:
        case: as it was made.
        record: of the run.
        why: it is left out; empty of one that is kept.
        loss: that the fault concerns, and that of its twin.
        fixed: the twin's.
    """

    case: Case
    record: Record
    why: str
    loss: float
    fixed: float


def label(cases: Iterable[Case], records: Mapping[str, Record]) -> list[Labelled]:
    """Decide of every case.

    Args:
        cases: of all families.
        records: by `Run.key`.
    """
    cases = list(cases)
    best: dict[str, float] = {}
    for case in cases:
        if case.label == HEALTHY:
            _lower(best, case.family, loss_of(records[case.sick.key], "end"))
    found: list[Labelled] = []
    for case in cases:
        own, twin = records[case.sick.key], records[case.twin.key]
        loss, fixed = loss_of(own, case.concern), loss_of(twin, case.concern)
        well = learnt_enough(loss_of(twin, "end"), case, best)
        if case.label == HEALTHY:
            why = "" if well else "healthy, but learns too little"
        elif not well:
            why = "its twin is not healthy"
        elif not loss - fixed > SPOILT:
            why = "the fault does not matter"
        elif case.label == "diverged" and own.diverged is None:
            why = "meant to diverge, stayed finite"
        else:
            why = ""
        if own.diverged is None or why:
            pass
        elif case.fault in BY_RATE:
            case = replace(case, label="diverged", layer="")
        elif case.label in FINITE:
            why = f"meant to be {case.label}, diverged"
        found.append(Labelled(case, own, why, loss, fixed))
    return found


def best_of(cases: Iterable[Labelled]) -> dict[str, float]:
    """The least final loss of each family's healthy runs."""
    best: dict[str, float] = {}
    for case in cases:
        if case.case.label == HEALTHY:
            _lower(best, case.case.family, loss_of(case.record, "end"))
    return best


def _lower(best: dict[str, float], family: str, loss: float) -> None:
    best[family] = min(loss, best.get(family, math.inf))


def learnt_enough(loss: float, case: Case, best: Mapping[str, float]) -> bool:
    """Whether a final loss is nearly as far below ln C as the best of the family's."""
    nothing = math.log(case.sick.classes)
    return math.isfinite(loss) and nothing - loss >= LEARNT * (nothing - best[case.family])


def loss_of(record: Record, concern: Concern) -> float:
    """The loss that a fault concerns; infinite of a run that diverged."""
    if concern == "area":
        history = record.history[:AREA]
        return sum(history) / len(history) if len(history) == AREA else math.inf
    key = "train" if concern == "evaluation" else "by_batch"
    return record.losses.get(key, math.inf)
