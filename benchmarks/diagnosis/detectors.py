"""What a detector is, and ours as one."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.diagnosis.cache import Record
from benchmarks.diagnosis.cases import HEALTHY, Run
from ninja.result import LOSSES


@dataclass(frozen=True)
class Alarm:
    """That something is wrong.

    Attributes:
        rule: that raised it.
        kinds: of `cases.CLASSES`, those that it can mean, the likeliest first. It is counted right
            if the true one is among them: where a rule names a symptom of several faults, it is
            given the benefit of the doubt.
        layer: node, or node and tensor; empty for the network as a whole.
        step: at which it was seen.
        fix: an override of the configuration; empty where none is given.
    """

    rule: str
    kinds: tuple[str, ...]
    layer: str = ""
    step: int | None = None
    fix: str = ""


Detector = Callable[[Record, Run], Sequence[Alarm]]
"""The gravest alarm first; none of a healthy run."""


def about(record: Record, run: Run) -> dict[str, Any]:
    """What `ninja.diagnosis.About` holds of a run."""
    return {
        "classes": run.classes,
        "losses": {key: record.losses[key] for key in LOSSES if key in record.losses},
        "diverged": record.diverged,
        "config": None if run.config is None else asdict(run.config),
    }


def ours(record: Record, run: Run) -> list[Alarm]:
    """`ninja.diagnosis`: what is a note or a warning is no alarm."""
    from ninja.diagnosis import About, diagnose

    return [
        Alarm(finding.kind, (finding.kind,), finding.layer, finding.step, finding.fix)
        for finding in diagnose(record.rows, About(**about(record, run)))
        if finding.severity == "sick"
    ]


def answer(alarms: Sequence[Alarm], truth: str) -> str:
    """What a detector says of a run: the meaning of its first alarm."""
    if not alarms:
        return HEALTHY
    return truth if truth in alarms[0].kinds else alarms[0].kinds[0]
