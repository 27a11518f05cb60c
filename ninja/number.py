"""A number as it is typed: 1.5, 1e-3 or 5/3."""

import math
import re

FRACTION = re.compile(r"\s*([+-]?\d{1,15})\s*/\s*(\d{1,15})\s*")


def number(given: float | str) -> float | None:
    """The finite number behind it; none where there is none.

    `fractions.Fraction` is not asked: of a name that looks like a number, such as the run
    4e3097811234, it makes an integer of as many digits.
    """
    if isinstance(given, str) and (parts := FRACTION.fullmatch(given)):
        over, under = map(int, parts.groups())
        return over / under if under else None
    try:
        value = float(given)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None
