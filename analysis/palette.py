"""The colour of each verdict, the same in figures and on W&B."""

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.kinds import HEALTHY, UNKNOWN


@dataclass(frozen=True)
class Colour:
    """A code, and a word for those who read about it."""

    code: str
    word: str


VERDICTS: Mapping[str, Colour] = {
    HEALTHY: Colour("#009e73", "green"),
    "wrong gradient": Colour("#ff00ff", "magenta"),
    "symmetric": Colour("#cc79a7", "pink"),
    "dead": Colour("#4d4d4d", "dark grey"),
    "saturated": Colour("#e69f00", "orange"),
    "linear": Colour("#f0e442", "yellow"),
    "exploding": Colour("#d55e00", "vermilion"),
    "vanishing": Colour("#0072b2", "blue"),
    "overconfident": Colour("#8c564b", "brown"),
    "diverged": Colour("#a50026", "red"),
    "unstable": Colour("#882255", "wine"),
    "stalled": Colour("#56b4e9", "sky blue"),
    "mismatch": Colour("#ddcc77", "sand"),
    UNKNOWN: Colour("#bbbbbb", "grey"),
}
"""Okabe & Ito's, and Tol's as far as those go: what is met most, vanishing, exploding and saturated
beside healthy, differs for colour-blind readers. Causes stand before what they bring about."""
