"""What the updates do to the weights: too little, too much, or more than numbers can hold."""

import math

import numpy as np

from ninja.diagnosis.episodes import LOOKS, TAIL, Marks, episode
from ninja.diagnosis.evidence import number
from ninja.diagnosis.finding import About, Finding
from ninja.diagnosis.history import History, Numbers
from ninja.diagnosis.ranges import FAST, LEARNT, NON_FINITE, RISE, SLOW, YOUNG

LEFT_OUT = "update of a matrix that never moves"
"""The evidence of a layer that was forgotten."""

LEAP = 2.0
"""Times what the loss was, for a single look to say that it rises."""


def updates(history: History, about: About) -> list[Finding]:
    """Diverged, unstable, stalled.

    Only the looks at the largest learning rate count: a schedule that lowers it stalls nothing.
    """
    found = [_diverged(history, about), _rise(history, about)]
    if len(history.matrices) and len(history.steps):
        lr = history.at_looks("lr")
        left = _left_out(history)
        ratios = np.where((lr < lr.max())[:, None] | left, np.nan, history.moves["update_ratio"])
        middle, most = np.full((2, len(ratios)), np.nan)
        seen = ~np.isnan(ratios).all(-1)
        middle[seen], most[seen] = np.nanmedian(ratios[seen], -1), np.nanmax(ratios[seen], -1)
        if seen.any() and most[seen].max() < SLOW.low:  # no rise is theirs, who change nothing
            found = found[:1]
        found += [_fast(history, most), _slow(history, middle) or _still(history, left)]
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
    """Training makes the loss larger than it was, and not a single batch alone."""
    finite = np.isfinite(history.scalars["loss"])
    losses, steps = history.scalars["loss"][finite], history.scalars["step"][finite]
    if not len(losses) or steps[0] != 0:
        return None
    nothing = math.log(about.classes) if about.classes and about.classes > 1 else 0.0
    before = max(float(losses[0]), nothing)
    if not before > 0:
        return None
    lasting = episode(losses > RISE.high * before, losses, steps)
    alone = np.flatnonzero(losses > LEAP * before)  # no batch is so much harder than others
    firsts = [*([lasting.first] if lasting else []), *alone[:1].tolist()]
    if not firsts:
        return None
    worst, step = float(losses.max()), int(steps[min(firsts)])
    item = number("rise of the loss", "run", worst / before, "", step, RISE)
    reason = f"the loss rises from {losses[0]:.4g} to {worst:.4g}: the steps are too large"
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
    reason = "the updates change no weight at all"
    if math.isfinite(value):
        reason = f"one update changes the weights by {power(value):.1g} of their spread"
    return Finding("stalled", "sick", "", step, (item,), reason, "")


def _left_out(history: History) -> Marks:
    """(matrices,) that have gradients and never move, though others do: in no optimizer."""
    ratios, grads = history.moves["update_ratio"], history.moves["grad_norm"]
    with np.errstate(invalid="ignore"):
        never = np.isneginf(ratios).all(0) & (grads > 0).all(0)
    return np.logical_and(never, np.isfinite(ratios).any())


def _still(history: History, left: Marks) -> Finding | None:
    """Somebody was forgotten."""
    if not left.any() or len(history.steps) < LOOKS:
        return None
    names = [name for name, out in zip(history.matrices, left, strict=True) if out]
    item = number(LEFT_OUT, "run", -math.inf, names[0], int(history.steps[0]), SLOW)
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    reason = f"{names[0]}{more} never moves, though it has a gradient: no optimizer holds it"
    layer = names[0].rpartition(".")[0]
    return Finding("stalled", "sick", layer, int(history.steps[0]), (item,), reason, "")
