"""The colour of a run: its verdict's."""

from collections.abc import Mapping

from analysis.kinds import HEALTHY, UNKNOWN
from analysis.palette import VERDICTS, Colour
from ninja import diagnosis
from ninja.result import Result

MENDED, UNFINISHED = "mended", "unfinished"
"""What a run is called that has no finding which lasts, or no result."""

COLOURS: Mapping[str, Colour] = {
    **{name: colour for name, colour in VERDICTS.items() if name != UNKNOWN},
    MENDED: Colour("#44aa99", "teal"),
    UNFINISHED: VERDICTS[UNKNOWN],
}

ORDER = (HEALTHY, MENDED, *diagnosis.KINDS, UNFINISHED)


def state(done: Result | None) -> str:
    """The key of `COLOURS` for a run: its first finding that lasts.

    Args:
        done: its result, with its findings, causes first; none while there is none.
    """
    if done is None:
        return UNFINISHED
    lasting = [one.get("kind") for one in done.findings if one.get("severity") == "sick"]
    known = [kind for kind in lasting if kind in COLOURS]
    if known:
        return str(known[0])
    if done.status == "diverged":
        return "diverged"
    return MENDED if done.findings else HEALTHY
