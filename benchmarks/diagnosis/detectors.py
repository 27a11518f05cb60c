"""What a detector is, and ours as one."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.diagnosis.cache import Record
from benchmarks.diagnosis.faults import VOCABULARY
from benchmarks.diagnosis.label import Labelled
from ninja.config import RunConfig


@dataclass(frozen=True)
class Alarm:
    """That something is wrong.

    Attributes:
        kind: one of `cases.CLASSES`.
        layer: node, or node and tensor; empty for the network as a whole.
        step: at which it was seen.
        fix: an override of the configuration; empty where none is given.
    """

    kind: str
    layer: str = ""
    step: int | None = None
    fix: str = ""


Detector = Callable[[Record, RunConfig], Sequence[Alarm]]
"""The gravest alarm first; none of a healthy run."""


def about(record: Record, config: RunConfig) -> dict[str, Any]:
    """What `ninja.diagnosis.About` holds of a run."""
    return {
        "classes": VOCABULARY,
        "losses": record.losses,
        "diverged": record.diverged,
        "config": asdict(config),
    }


def ours(record: Record, config: RunConfig) -> list[Alarm]:
    """`ninja.diagnosis`: what is a note or a warning is no alarm."""
    from ninja.diagnosis import About, diagnose

    return [
        Alarm(finding.kind, finding.layer, finding.step, finding.fix)
        for finding in diagnose(record.rows, About(**about(record, config)))
        if finding.severity == "sick"
    ]


def evidence(record: Record, config: RunConfig) -> list[Alarm]:
    """`ninja.evidence`, which came before it."""
    from ninja.evidence import FINDINGS, gather

    found = [one for one in gather(record.rows, record.losses, record.diverged) if one.finding]
    found.sort(key=lambda one: FINDINGS.index(one.finding))
    return [Alarm(one.finding, one.where, one.step) for one in found]


def run(detector: Detector, cases: Sequence[Labelled]) -> list[Sequence[Alarm]]:
    """A detector's alarms of every case."""
    return [detector(case.record, case.case.sick.config) for case in cases]
