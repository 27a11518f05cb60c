"""How the gradient changes from layer to layer on its way back: vanishing, exploding."""

import numpy as np

from ninja.diagnosis.episodes import TAIL, episode
from ninja.diagnosis.evidence import chain, number, profile
from ninja.diagnosis.finding import Finding, Kind
from ninja.diagnosis.history import History, Numbers
from ninja.diagnosis.ranges import GROWTH, HEIGHT, PROFILE


def flow(history: History) -> list[Finding]:
    """Vanishing or exploding, by the delta profile, of the hidden layers' pre-activations.

    An explosion shows on the way forward, too: a large gain makes large signals.

    Against the logits a healthy small output layer would look like vanishing. Where no delta at all
    arrives at the last layer, nothing flows that could vanish.
    """
    at = chain(history)
    found = _forward(history)
    if len(at) < 2:
        return found
    deltas = history.deltas[:, at]
    seen = np.where(deltas[:, -1] == 0, np.nan, profile(deltas))
    kinds: tuple[tuple[Kind, bool], ...] = (("vanishing", True), ("exploding", False))
    for kind, falls in kinds:
        outside = seen < PROFILE.low if falls else seen > PROFILE.high
        if (when := episode(outside, seen, history.steps)) is None:
            continue
        first, last = (history.units[at[place]].source for place in (0, -1))
        step, value = int(history.steps[when.first]), float(seen[when.first])
        item = number("delta profile", "run", value, f"{first} / {last}", step, PROFILE)
        steepest, where = _steepest(deltas[when.first], falls)
        layer = history.units[at[steepest]].layer if steepest is not None else ""
        now, past = ("shrinks", "shrank") if falls else ("grows", "grew")
        reason = (
            f"from {last} back to {first} the gradient {now if when.to_the_end else past} "
            f"{_times(value)}, {where or f'most of all in {layer}'}"
        )
        if not when.to_the_end:
            reason += f"; {_end(seen, falls)} at the end"
        severity = "sick" if when.lasting else "warning"
        found.append(Finding(kind, severity, layer, step, (item,), reason, ""))
    return found


def _steepest(deltas: Numbers, falls: bool) -> tuple[int | None, str]:
    """The layer that makes half of the change or more; none where all share it, and how much each.

    Args:
        deltas: (units,) RMS at one look, in depth order.
        falls: going back.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.diff(np.log10(deltas)) * (1 if falls else -1)  # positive where it changes so
        if not np.isfinite(steps).any():
            return 1, ""
        most, total = int(np.nanargmax(steps)), float(np.nansum(steps))
    if not steps[most] < total / 2:
        return most + 1, ""
    return None, f"{10 ** (total / len(steps)):.2g} a layer"


def _end(seen: Numbers, falls: bool) -> str:
    """What is left of it."""
    last = seen[~np.isnan(seen)][-TAIL:]
    value = float(np.median(last)) * (-1 if falls else 1)
    return _times(value) if value >= np.log10(1.5) else "no more"


def _forward(history: History) -> list[Finding]:
    """The signal itself grows from layer to layer, or is huge, before anything was learnt."""
    if not len(history.steps) or history.steps[0] != 0:
        return []
    at = np.flatnonzero(history.outputs[0] > 0)
    if not len(at):
        return []
    heights = np.log10(history.outputs[0][at])
    first, last = (history.units[at[place]] for place in (0, -1))
    step, growth = 0, float(heights[-1] - heights[0])
    if GROWTH.finding(growth):
        layer = history.units[at[int(np.diff(heights).argmax()) + 1]].layer
        item = number("growth of the signal", "start", growth, last.name, step, GROWTH)
        reason = f"from {first.name} to {last.name} the signal grows {_times(growth)}"
    elif HEIGHT.finding(height := float(heights[-1])):
        layer = first.layer
        item = number("height of the signal", "start", height, last.name, step, HEIGHT)
        reason = f"the signal at {last.name} has an RMS of 10^{height:.1f}"
    else:
        return []
    return [Finding("exploding", "sick", layer, step, (item,), reason, "")]


def _times(value: float) -> str:
    """In two digits: it is no more exact than that."""
    if not abs(value) < 12:
        return f"10^{abs(value):.0f} times"
    return f"{float(f'{10 ** abs(value):.2g}'):,.0f} times"
