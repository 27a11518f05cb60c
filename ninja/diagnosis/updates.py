"""What the updates do to the weights: too little, too much, or more than numbers can hold."""

import math

import numpy as np

from ninja.diagnosis.episodes import LOOKS, TAIL, episode
from ninja.diagnosis.evidence import number
from ninja.diagnosis.finding import About, Finding
from ninja.diagnosis.history import History, Numbers
from ninja.diagnosis.ranges import FAST, LEARNT, NON_FINITE, RISE, SLOW

YOUNG = 50
"""Steps in which updates are large in proportion."""


def updates(history: History, about: About) -> list[Finding]:
    """Diverged, unstable, stalled.

    Only the looks at the largest learning rate count: a schedule that lowers it stalls nothing.
    """
    found = [_diverged(history, about), _rise(history, about)]
    if len(history.matrices) and len(history.steps):
        lr = history.at_looks("lr")
        ratios = np.where((lr < lr.max())[:, None], np.nan, history.moves["update_ratio"])
        middle, most = np.full((2, len(ratios)), np.nan)
        seen = ~np.isnan(ratios).all(-1)
        middle[seen], most[seen] = np.nanmedian(ratios[seen], -1), np.nanmax(ratios[seen], -1)
        found += [_fast(history, most), _slow(history, middle)]
    return [finding for finding in found if finding is not None]


def power(log10: float) -> float:
    """10 to it, as far as floats reach."""
    return 10.0 ** min(max(log10, -300.0), 300.0)


def _diverged(history: History, about: About) -> Finding | None:
    count, step, place = history.spoilt
    if about.diverged is not None:
        step = int(about.diverged["step"])
        place = f"{about.diverged['node']}.{about.diverged['tensor']}"
        count = max(1, count)
    if not count:
        return None
    item = number("non-finite values", "run", count, place, step, NON_FINITE)
    reason = f"at step {step:,} {place} is not finite any more"
    return Finding("diverged", "sick", place.rpartition(".")[0], step, (item,), reason, "")


def _rise(history: History, about: About) -> Finding | None:
    """Training makes the loss larger than it was."""
    losses, steps = history.scalars["loss"], history.scalars["step"]
    later = np.flatnonzero(np.isfinite(losses[1:])) + 1
    if not len(later) or steps[0] != 0:
        return None
    nothing = math.log(about.classes) if about.classes and about.classes > 1 else 0.0
    before = max(float(losses[0]), nothing)
    above = later[losses[later] > RISE.high * before] if before > 0 else later[:0]
    if not len(above):
        return None
    worst = float(losses[later].max())
    step = int(steps[above[0]])
    item = number("rise of the loss", "run", worst / before, "", step, RISE)
    reason = f"the loss rises from {losses[0]:.2f} to {worst:.2f}: the steps are too large"
    return Finding("unstable", "sick", "", step, (item,), reason, "")


def _fast(history: History, most: Numbers) -> Finding | None:
    """To the end, of a run that is not young.

    An output layer that begins small moves much at first, in every third healthy run.
    """
    if np.count_nonzero(history.steps > YOUNG) < LOOKS:
        return None
    when = episode(most > FAST.high, most, history.steps)
    if when is None or not when.to_the_end:
        return None
    step = int(history.steps[when.first])
    item = number("update of the fastest matrix", "run", when.value, "", step, FAST)
    reason = f"one update changes weights by {power(when.value):.2g} of their spread"
    return Finding("unstable", "sick", "", step, (item,), reason, "")


def _slow(history: History, middle: Numbers) -> Finding | None:
    """At every look from the first on, and little learnt: who has learnt makes small steps, too."""
    seen = np.flatnonzero(~np.isnan(middle))
    if not len(seen) or middle[seen].max() >= SLOW.low:
        return None
    if len(history.steps) < LOOKS and np.isfinite(middle[seen]).any():  # they move, and it is early
        return None
    losses = history.scalars["loss"]
    if np.median(losses[-TAIL:]) <= (1 - LEARNT) * losses[0] and losses[0] > 0:
        return None
    value, step = float(np.median(middle[seen])), int(history.steps[seen[0]])
    item = number("update of the median matrix", "run", value, "", step, SLOW)
    reason = f"one update changes the weights by {power(value):.1g} of their spread"
    return Finding("stalled", "sick", "", step, (item,), reason, "")
