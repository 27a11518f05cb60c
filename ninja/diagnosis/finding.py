"""What is found: a class, where and since when, the numbers, the reason and the fix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ninja.diagnosis import evidence
from ninja.diagnosis.evidence import Evidence

Kind = Literal[
    "wrong gradient",
    "symmetric",
    "dead",
    "saturated",
    "linear",
    "exploding",
    "vanishing",
    "overconfident",
    "diverged",
    "unstable",
    "stalled",
    "mismatch",
]

KINDS: tuple[Kind, ...] = (
    *("wrong gradient", "symmetric", "dead", "saturated", "linear", "exploding", "vanishing"),
    *("overconfident", "diverged", "unstable", "stalled", "mismatch"),
)
"""Every class, causes before what they bring about: the order in which findings are told."""

Severity = Literal["sick", "warning", "note"]
"""Sick: it lasts, and the fix is worth its while. A warning: training has mended it since, or it
costs something. A note: brought about by another finding, whose fix is this one's too."""


@dataclass(frozen=True)
class About:
    """What is known of a run beside its record. All of it is optional.

    Attributes:
        classes: of a cross-entropy; ln(classes) is what a model pays that knows nothing.
        losses: at the end: "train" (by running statistics), "by_batch", "validation".
        diverged: the step, node and tensor of the first value that was not finite.
        config: of one of our runs, as plain data: then fixes are overrides of `run.py`, and else
            lines of PyTorch.
    """

    classes: int | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    diverged: Mapping[str, Any] | None = None
    config: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. ``dataclasses.asdict`` gives plain data, strict JSON included.

    Attributes:
        kind: its class.
        severity: of `Severity`.
        layer: where; empty for the network as a whole.
        step: the first at which it was seen; none where no step is.
        evidence: the numbers, each with its healthy range.
        reason: in a sentence.
        fix: an override of `run.py`, or a line of PyTorch.
    """

    kind: Kind
    severity: Severity
    layer: str
    step: int | None
    evidence: tuple[Evidence, ...]
    reason: str
    fix: str


def read(plain: Mapping[str, Any]) -> Finding:
    """What `asdict` made plain."""
    items = tuple(map(evidence.read, plain["evidence"]))
    found: dict[str, Any] = {**plain, "evidence": items}
    return Finding(**found)


def verdict(findings: Sequence[Finding], unknown: Sequence[str] = ()) -> str:
    """In words: "healthy", or the classes joined by commas, each once.

    "vanishing at the start" is what training has mended since. "healthy (unknown: gap)" is a run
    that is healthy as far as it was looked at, and "unknown" one that nobody looked at. A run that
    diverged is said to be so, whatever has brought it about.

    Args:
        findings: of `diagnose`.
        unknown: what was not looked at; "layers" if nothing was.
    """
    named: dict[str, str] = {}
    for finding in findings:
        if finding.severity == "sick":
            named[finding.kind] = finding.kind
        elif finding.severity == "warning":
            named.setdefault(finding.kind, f"{finding.kind} at the start")
        elif finding.kind == "diverged":
            named[finding.kind] = finding.kind
    if named:
        return ", ".join(named.values())
    if "layers" in unknown:
        return "unknown"
    return f"healthy (unknown: {', '.join(unknown)})" if unknown else "healthy"
