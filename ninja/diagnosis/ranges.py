"""Where each number is healthy: the thresholds of every finding, in one place."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Where a number is healthy, both ends included, and what it is called when it is not.

    Attributes:
        low: the smallest healthy value.
        high: the largest.
        below: the finding when it is smaller.
        above: the finding when it is larger.
    """

    low: float
    high: float
    below: str = ""
    above: str = ""

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Plain data: none where there is no bound."""
        low, high = self.low, self.high
        return low if math.isfinite(low) else None, high if math.isfinite(high) else None

    def finding(self, value: float) -> str:
        """What an infinity or a number outside is called; nothing of one inside or of NaN."""
        return self.below if value < self.low else self.above if value > self.high else ""


PROFILE = Range(-1.2, 1.8, "vanishing", "exploding")
GATE = Range(0, 0.5, above="saturated")
SATURATED = Range(0, 0.5, above="saturated")
DEAD = Range(0, 0.65, above="dead")
LINEAR = Range(0, 0.9, above="linear")
UPDATE = Range(-4, -1, "stalled", "unstable")
GAP = Range(0, 1e-5, above="wrong gradient")
"""As `ninja.agreement.WRONG`, which comes with torch."""
NON_FINITE = Range(0, 0, above="diverged")
MISMATCH = Range(-0.1, 0.1, "mismatch", "mismatch")
TWINS = Range(0, 0.5, above="symmetric")
CONFIDENCE = Range(0, 1.35, above="overconfident")
"""First loss over ln C."""
RISE = Range(0, 1.25, above="unstable")
"""Largest later loss over the first one, or over ln C if that is larger."""
GROWTH = Range(-math.inf, 0.5, above="exploding")
"""log10 of the RMS of the last activation over that of the first, before the first update."""
HEIGHT = Range(-math.inf, 2, above="exploding")
"""log10 of the RMS of the last activation, before the first update."""
SLOW = Range(-3.3, math.inf, "stalled")
"""Update ratio of the median matrix, at every look."""
LEARNT = 0.13
"""Part of the first loss that is gone: whoever has learnt so much is not stalled."""
FAST = Range(-math.inf, -0.95, above="unstable")
"""Update ratio of the matrix that moves most."""
YOUNG = 50
"""Steps in which updates are large in proportion, and running statistics have not run yet."""
LOST = Range(-math.inf, 0.4, above="unstable")
"""Share of the units of a layer that training has shut, beyond those shut at first."""
