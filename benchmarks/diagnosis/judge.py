"""Everything that is counted of one detector, on the cases that are kept."""

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.diagnosis.cases import HEALTHY
from benchmarks.diagnosis.detectors import Alarm, answer
from benchmarks.diagnosis.label import Labelled
from benchmarks.diagnosis.place import right
from benchmarks.diagnosis.score import flagged, interval, macro_f1, scores

SOON = 50
"""Steps within which most faults should be found."""


def judge(
    cases: Sequence[Labelled],
    alarms: Sequence[Sequence[Alarm]],
    covers: Sequence[str],
    found_at: Callable[[Labelled, Sequence[Alarm]], int | None],
) -> dict[str, Any]:
    """Of one detector.

    Args:
        cases: that are kept.
        alarms: of every case.
        covers: the classes that it can name at all.
        found_at: the step at which it found what is true.
    """
    truth = [case.case.label for case in cases]
    said = [answer(of, label) for of, label in zip(alarms, truth, strict=True)]
    own = [at for at, label in enumerate(truth) if label in (HEALTHY, *covers)]
    others = [at for at, case in enumerate(cases) if case.case.sick.config is None]
    found = scores(truth, said)
    hits, of = flagged(truth, said)
    return {
        "macro F1": macro_f1(found),
        "macro F1, classes it covers": macro_f1(
            scores([truth[at] for at in own], [said[at] for at in own])
        ),
        "macro F1, not MLPs": macro_f1(
            scores([truth[at] for at in others], [said[at] for at in others])
        ),
        "covers": [name for name in sorted(found) if name in covers],
        "healthy flagged": share(hits, of),
        "sick called healthy": share(
            sum(b == HEALTHY for a, b in zip(truth, said) if a != HEALTHY), len(truth) - of
        ),
        "steps": steps(cases, alarms, said, found_at),
        "layer": layers(cases, alarms, said),
        "classes": {
            name: {
                "runs": one.runs,
                "precision": one.precision,
                "recall": one.recall,
                "f1": one.f1,
                "called": dict(Counter(b for a, b in zip(truth, said) if a == name != b)),
            }
            for name, one in sorted(found.items())
        },
    }


def share(hits: int, of: int) -> dict[str, Any]:
    """A share with its 95 % interval."""
    return {"hits": hits, "of": of, "interval": list(interval(hits, of))}


def steps(
    cases: Sequence[Labelled],
    alarms: Sequence[Sequence[Alarm]],
    said: Sequence[str],
    found_at: Callable[[Labelled, Sequence[Alarm]], int | None],
) -> dict[str, Any]:
    """Until the truth was first said, of the sick runs that were called right in the end."""
    at = [
        step
        for case, of, name in zip(cases, alarms, said, strict=True)
        if case.case.label == name != HEALTHY and (step := found_at(case, of)) is not None
    ]
    if not at:
        return {"median": None, "runs": 0}
    soon = sum(step <= SOON for step in at) / len(at)
    return {"median": statistics.median(at), "within 50": soon, "runs": len(at)}


def layers(
    cases: Sequence[Labelled], alarms: Sequence[Sequence[Alarm]], said: Sequence[str]
) -> dict[str, Any]:
    """How often the layer is the one that was made sick, of the runs that were called right."""
    hits = [
        right(of[0].layer, case.case.layer, case.case.sick)
        for case, of, name in zip(cases, alarms, said, strict=True)
        if case.case.layer and name == case.case.label
    ]
    return share(sum(hits), len(hits))
