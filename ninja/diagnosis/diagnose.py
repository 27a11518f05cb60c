"""All findings of a record, causes before what they bring about."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ninja.diagnosis.evidence import Evidence
from ninja.diagnosis.finding import KINDS, About, Finding, Kind
from ninja.diagnosis.fixes import fix
from ninja.diagnosis.flow import flow
from ninja.diagnosis.history import History, Row, read
from ninja.diagnosis.loss import mismatch, overconfident, wrong_gradient
from ninja.diagnosis.units import units
from ninja.diagnosis.updates import updates

BRINGS: dict[Kind, frozenset[Kind]] = {
    "symmetric": frozenset(
        {"dead", "saturated", "vanishing", "exploding", "linear", "stalled", "unstable"}
    ),
    "dead": frozenset({"vanishing", "exploding", "stalled", "unstable"}),
    "saturated": frozenset(
        {"dead", "vanishing", "exploding", "stalled", "unstable", "overconfident"}
    ),
    "exploding": frozenset({"saturated", "dead", "diverged", "unstable", "overconfident"}),
    "vanishing": frozenset({"dead", "stalled", "unstable"}),
    "linear": frozenset({"vanishing", "stalled"}),
    "diverged": frozenset({"unstable", "dead", "saturated", "exploding", "vanishing"}),
    "unstable": frozenset({"dead", "saturated", "vanishing", "exploding", "mismatch"}),
    "overconfident": frozenset(
        {"unstable", "diverged", "saturated", "dead", "vanishing", "exploding"}
    ),
}
"""What a fault explains, if it was there first: a note on it, and no finding of its own."""


def diagnose(rows: Iterable[Row] | History, about: About | None = None) -> list[Finding]:
    """What is wrong with a run, the causes first; nothing of a healthy one.

    Args:
        rows: of its record, as ``ninja.records.rows`` yields them, or its history.
        about: what is known of it beside.
    """
    history = rows if isinstance(rows, History) else read(rows)
    about = about or About()
    seen = [
        *wrong_gradient(history),
        *units(history),
        *flow(history),
        *updates(history, about),
        *overconfident(history, about),
        *mismatch(history, about),
    ]
    by_kind = {kind: [one for one in seen if one.kind == kind] for kind in KINDS}
    found = [_merged(same) for same in by_kind.values() if same]
    ordered = sorted(_explained(found), key=_rank)
    return [replace(finding, fix=fix(finding, history, about)) for finding in ordered]


def unknown(items: Sequence[Evidence]) -> list[str]:
    """What a verdict must leave open: what was not looked at."""
    if not any(item.state == "inside" and item.when != "run" for item in items):
        return ["layers"]
    return list(dict.fromkeys(item.name for item in items if item.state == "unknown"))


def _rank(finding: Finding) -> tuple[int, int]:
    return ("sick", "warning", "note").index(finding.severity), KINDS.index(finding.kind)


def _merged(same: Sequence[Finding]) -> Finding:
    """One finding a class: the gravest and of these the first, with the numbers of all."""
    first = min(same, key=lambda finding: (_rank(finding), _since(finding)))
    others = [item for finding in same if finding is not first for item in finding.evidence]
    return replace(first, evidence=(*first.evidence, *others))


def _explained(found: Sequence[Finding]) -> list[Finding]:
    """Those that another one explains, which was there before, as notes.

    What brought about something that lasts is no matter of the past, even if it is mended itself.
    """
    severity = [finding.severity for finding in found]
    for at, finding in enumerate(found):
        causes = [place for place, other in enumerate(found) if _brings(other, finding)]
        if causes and finding.severity == "sick":
            first = min(causes, key=lambda place: _since(found[place]))
            severity[first] = "sick" if severity[first] == "warning" else severity[first]
        if causes:
            severity[at] = "note"
    return [replace(finding, severity=of) for finding, of in zip(found, severity, strict=True)]


def _brings(other: Finding, finding: Finding) -> bool:
    return finding.kind in BRINGS.get(other.kind, ()) and _since(other) < _since(finding)


def _since(finding: Finding) -> tuple[float, int]:
    step = finding.step if finding.step is not None else float("inf")
    return step, KINDS.index(finding.kind)
