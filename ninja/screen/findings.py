"""What is wrong with a run, in a few lines each: class and place, the reason, the fix."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from ninja.diagnosis.finding import Finding
from ninja.screen.layers import OUTSIDE

STYLES = {"sick": OUTSIDE, "warning": "yellow", "note": "dim"}


def findings(found: Sequence[Finding]) -> Iterator[Text]:
    """Three lines a finding; one of a note, whose fix is that of what brought it about.

    Args:
        found: of `ninja.diagnosis.diagnose`, causes first.
    """
    for finding in found:
        yield Text.assemble(
            "  ", (finding.kind, STYLES[finding.severity]), ("  " + _place(finding), "dim")
        )
        if finding.severity != "note":
            yield Text(f"    {finding.reason}")
            yield Text.assemble(("    fix: ", "dim"), (finding.fix, "bold"))


def _place(finding: Finding) -> str:
    since = "" if finding.step is None else f"since step {finding.step:,}"
    if finding.severity == "warning" and since:
        since = since.replace("since", "at")
    words = [finding.layer, since]
    if finding.severity == "note":
        words.append("brought about by the above")
    elif finding.severity == "warning":
        words.append("mended since")
    return ", ".join(word for word in words if word)
