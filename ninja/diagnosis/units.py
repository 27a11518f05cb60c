"""What the units of a layer do: nothing (dead), one thing (symmetric), saturated, or linear."""

from collections.abc import Iterator

import numpy as np

from ninja.diagnosis.episodes import Marks, episode
from ninja.diagnosis.evidence import GATED, number
from ninja.diagnosis.finding import Finding, Kind
from ninja.diagnosis.history import MATRICES, History, Numbers
from ninja.diagnosis.ranges import DEAD, GATE, LINEAR, LOST, RISE, TWINS, Range

STEADY = 0.05
"""log10 of a norm's change over a step, of weights that are far larger than their updates."""

SMALL_RATE = 0.01
"""A learning rate at which no optimizer's first update is as large as weights usually are."""

REASONS: dict[Kind, str] = {
    "symmetric": "{share:.0%} of the units compute what another one computes: whatever happens to "
    "one happens to the other",
    "dead": "{share:.0%} of the units let no gradient through, or hardly ever",
    "saturated": "{share:.0%} of the units sit where their activation is flat",
    "linear": "{share:.0%} of the pre-activations never leave the activation's linear part, in "
    "every layer: the network computes no more than a linear map",
    "unstable": "training has shut {share:.0%} more of the units: the steps are too large",
}


def units(history: History) -> list[Finding]:
    """One finding a class: of the first layer in depth order in which it lasts, if it does."""
    if not history.units:
        return []
    gated = np.array([unit.rule in GATED for unit in history.units])
    # where nothing was sent back the fault lies above, unless nothing was passed on either
    silent = (history.arriving == 0) & (history.outputs != 0)
    dead = np.where(silent, np.nan, history.shares["dead"])
    shut = np.fmax(history.shares["gate"], dead)  # what hardly ever acts is as good as dead
    closed, lifeless = np.where(gated, shut, np.nan), np.where(gated, np.nan, shut)
    found = (
        _first(history, "symmetric", "twins", _twins(history), TWINS),
        _constant(history),
        _first(history, "dead", "dead units", lifeless, DEAD),
        _first(history, "saturated", "closed gates", closed, GATE),
        _linear(history, gated),
        _lost(history, shut),
    )
    return [finding for finding in found if finding is not None]


def _twins(history: History) -> Numbers:
    """Units that are shut look alike, too, but are no twins."""
    shares = history.shares
    with np.errstate(invalid="ignore"):
        return np.where(np.fmax(shares["gate"], shares["dead"]) > 0.5, np.nan, shares["twins"])


def _constant(history: History) -> Finding | None:
    """Weights that are all zero, or all the same, before the first update.

    After it, weights that had no spread have just the update's: the ratio of both is 1. So it is
    when an update is far larger than the weights were, but then their norm is that of the update,
    and the next one changes it once more or the loss leaps, unless the rate is too small for that.
    """
    if not len(history.steps) or history.steps[0] != 0:
        return None
    lr = history.at_looks("lr")[0]
    ratio, norm, grad = (history.moves[name][0] for name in MATRICES)
    with np.errstate(all="ignore"):
        same = (np.abs(ratio) < 1e-3) & (norm > 2 * lr * grad)
        if len(history.steps) > 1 and not lr < SMALL_RATE:
            same &= np.abs(np.log10(history.moves["weight_norm"][1] / norm)) < STEADY
            losses = history.at_looks("loss")
            same &= losses[1] <= RISE.high * losses[0]
    layers = {unit.weights: unit for unit in history.units}
    for at, matrix in enumerate(history.matrices):
        node = matrix.rpartition(".")[0]
        if node in layers and (norm[at] == 0 or same[at]):
            item = number("twins", "start", 1.0, layers[node].name, 0, TWINS)
            reason = f"the weights of {node} are all {'zero' if norm[at] == 0 else 'the same'}"
            return Finding("symmetric", "sick", node, 0, (item,), reason, "")
    return None


def _linear(history: History, gated: Marks) -> Finding | None:
    """All layers must be: what comes after a straight one may bend."""
    if not gated.any():
        return None
    shares = history.shares["linear"].copy()
    shares[:, gated] = shares[:, gated].min(-1, keepdims=True)
    return _first(history, "linear", "linear units", np.where(gated, shares, np.nan), LINEAR)


def _lost(history: History, shut: Numbers) -> Finding | None:
    """Units that were open at first and are shut now, though the steps are no smaller."""
    lr = history.at_looks("lr")
    with np.errstate(invalid="ignore"):
        more = np.where((lr < lr.max())[:, None], np.nan, shut - shut[0])
    return _first(history, "unstable", "units shut by training", more, LOST, before=True)


def _first(
    history: History,
    kind: Kind,
    name: str,
    shares: Numbers,
    healthy: Range,
    before: bool = False,
) -> Finding | None:
    best: Finding | None = None
    for finding in _each(history, kind, name, shares, healthy, before):
        if best is None or (best.severity == "warning" and finding.severity == "sick"):
            best = finding
    return best


def _each(
    history: History, kind: Kind, name: str, shares: Numbers, healthy: Range, before: bool
) -> Iterator[Finding]:
    for at, unit in enumerate(history.units):
        when = episode(shares[:, at] > healthy.high, shares[:, at], history.steps)
        if when is None:
            continue
        step = int(history.steps[max(when.first - before, 0)])
        item = number(name, "run", when.value, unit.name, step, healthy)
        reason = f"{unit.name}: {REASONS[kind].format(share=when.value)}"
        severity = "sick" if when.lasting else "warning"
        yield Finding(kind, severity, unit.layer, step, (item,), reason, "")
