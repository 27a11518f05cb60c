"""What was looked at, how it is, and what to do about it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: of it.
        state: ``ok``; ``note`` of what only some uses want; ``mend`` of what must be mended.
        found: how it is.
        advice: what to do; empty where there is nothing to do.
    """

    name: str
    state: Literal["ok", "note", "mend"]
    found: str
    advice: str = ""
