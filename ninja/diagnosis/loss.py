"""What the losses and the other engine say of the network as a whole."""

import math

import numpy as np

from ninja.diagnosis.evidence import gaps, number
from ninja.diagnosis.finding import About, Finding
from ninja.diagnosis.history import History
from ninja.diagnosis.ranges import CONFIDENCE, GAP, MISMATCH, YOUNG


def wrong_gradient(history: History) -> list[Finding]:
    """The gap of the engine in use from the other one, on the first step that shows it."""
    found = gaps(history)
    wrong = np.flatnonzero(found > GAP.high)
    if not len(wrong):
        return []
    step, gap = int(history.scalars["step"][wrong[0]]), float(found[wrong[0]])
    layer = history.apart.get(step, "")
    item = number("gap", "run", gap, layer, step, GAP)
    place = f", most of it in {layer}" if layer else ""
    reason = f"the gradient is {gap:.1e} of its norm away from the other engine's{place}"
    return [Finding("wrong gradient", "sick", layer, step, (item,), reason, "")]


def overconfident(history: History, about: About) -> list[Finding]:
    """A first loss far above ln C, what a model pays that knows nothing: the hockey stick."""
    losses = history.scalars["loss"]
    if about.classes is None or about.classes < 2 or not len(losses):
        return []
    nothing, first = math.log(about.classes), float(losses[0])
    if history.scalars["step"][0] != 0:
        return []
    if not math.isfinite(first) and not np.isfinite(history.outputs[:1]).all():
        return []  # of weights or inputs that are not finite themselves: it has diverged
    if not CONFIDENCE.finding(first / nothing):
        return []
    item = number("first loss over ln C", "start", first / nothing, "", 0, CONFIDENCE)
    reason = (
        f"the first loss is {first:.2f}, and knowing nothing costs ln {about.classes} = "
        f"{nothing:.2f}: the first steps are spent on shrinking the output layer"
    )
    return [Finding("overconfident", "sick", "", 0, (item,), reason, "")]


def mismatch(history: History, about: About) -> list[Finding]:
    """The training loss by running statistics against that by each batch's own.

    In a young run the running statistics have not run yet.
    """
    if history.last is not None and history.last < YOUNG:
        return []
    value = about.losses.get("train", math.nan) - about.losses.get("by_batch", math.nan)
    if math.isnan(value) or not MISMATCH.finding(value):
        return []
    item = number("mismatch", "run", value, "", None, MISMATCH)
    reason = (
        f"evaluated by running statistics the training loss is {abs(value):.2f} "
        f"{'higher' if value > 0 else 'lower'} than by each batch's own"
    )
    return [Finding("mismatch", "sick", "", None, (item,), reason, "")]
