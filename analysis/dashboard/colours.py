"""The colour of a run: its verdict's."""

from collections.abc import Mapping
from dataclasses import dataclass

from ninja import diagnosis
from ninja.result import Result

HEALTHY, MENDED, UNFINISHED = "healthy", "mended", "unfinished"
"""What a run is called that has no finding which lasts, or no result."""


@dataclass(frozen=True)
class Colour:
    """Of a line: for W&B, and in a word."""

    code: str
    word: str


COLOURS: Mapping[str, Colour] = {
    HEALTHY: Colour("#009e73", "green"),
    MENDED: Colour("#56b4e9", "sky blue"),
    "wrong gradient": Colour("#ff00ff", "magenta"),
    "symmetric": Colour("#882255", "wine"),
    "dead": Colour("#000000", "black"),
    "saturated": Colour("#cc79a7", "pink"),
    "linear": Colour("#d4b106", "yellow"),
    "exploding": Colour("#d55e00", "vermilion"),
    "vanishing": Colour("#0072b2", "blue"),
    "overconfident": Colour("#e69f00", "orange"),
    "diverged": Colour("#b30000", "red"),
    "unstable": Colour("#8c564b", "brown"),
    "stalled": Colour("#332288", "indigo"),
    "mismatch": Colour("#44aa99", "teal"),
    UNFINISHED: Colour("#999999", "grey"),
}
"""Healthy first; then causes before what they bring about. Of Okabe and Ito, and Tol, as far as
these go: the four classes that are met most differ for colour-blind readers, and in greyscale."""

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
