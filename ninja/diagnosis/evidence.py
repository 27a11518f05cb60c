"""What the record of a run says of its health: numbers, each held against its healthy range.

Pure functions of a run's history and of how it ended; no torch, no tables.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ninja.diagnosis.history import History, Numbers
from ninja.diagnosis.ranges import (
    DEAD,
    FAST,
    GAP,
    GATE,
    LINEAR,
    MISMATCH,
    NON_FINITE,
    PROFILE,
    SATURATED,
    SLOW,
    Range,
)

When = Literal["start", "end", "run"]
State = Literal["inside", "outside", "unknown", "does not apply"]

TAIL = 5
"""Looks whose median stands for the end of a run: one batch is a whim."""

UNDERFLOW = 20.0
"""Mean loss, in nats, beyond which that of one example may be over 103, a probability of 0."""

BLIND = "no module's output was seen"
"""As of a compiled model."""

GATED = ("tanh", "sigmoid")
"""Activations that close at both ends."""


@dataclass(frozen=True)
class Evidence:
    """One number of a run. ``dataclasses.asdict`` gives plain data, strict JSON included.

    Attributes:
        name: of what was read.
        when: at the "start", the first step that has it; at the "end", the median of the last
            `TAIL` steps that have it, of those with a finite loss and in the second half of the
            run (if there is none, the last that there is); or over the whole "run".
        value: none when it is infinite, not a number, or not known.
        where: the layer; empty for the network as a whole.
        step: it was read at; the last of several.
        healthy: the smallest and the largest healthy value; none where there is no bound.
        state: whether the value is inside. "does not apply" is said of what this network cannot
            have, "unknown" of what was not looked at.
        finding: what it is called, of `ninja.diagnosis.KINDS`; empty unless it is outside.
        why: in words, where the value alone does not say it.
    """

    name: str
    when: When
    value: float | None
    where: str
    step: int | None
    healthy: tuple[float | None, float | None]
    state: State
    finding: str = ""
    why: str = ""


def read(plain: Mapping[str, Any]) -> Evidence:
    """What `asdict` made plain."""
    found: dict[str, Any] = {**plain, "healthy": tuple(plain["healthy"])}
    return Evidence(**found)


def gather(
    history: History,
    losses: Mapping[str, float] | None = None,
    diverged: Mapping[str, Any] | None = None,
) -> list[Evidence]:
    """Everything that can be said of a run.

    At the start and at the end, because training mends some faults and makes others:

    - delta profile: log10 of the RMS of ∂loss/∂(pre-activation) at the first hidden layer over that
      at the last. Needs two hidden layers. Not finite is outside, and called exploding.
    - closed gates: the largest share of units of one layer whose mean slope is below a tenth of its
      maximum; tanh and sigmoid.
    - saturated elements: the largest share of one layer with abs(tanh) > 0.97, as the lecture has
      it. The two differ: a unit that is ±1 on nine rows of ten still learns from the tenth.
    - dead units: the largest share of one layer.
    - linear units: the share with abs(z) < 0.1 of the tanh or sigmoid layer that has fewest. If all
      layers are straight lines, the depth is lost.

    At the end only, because the first updates of a small output layer are large in proportion, and
    at the largest learning rate that there was, because a schedule that lowers it stalls nothing:

    - median and fastest update: log10(std(Δw)/std(w)) of the matrices.

    Of the whole run:

    - gap: the largest from the other engine.
    - non-finite values: their number in the record, but for update ratios, which may be infinite.
    - mismatch: the training loss by running statistics less that by each batch's own, in nats.

    Args:
        history: of the run.
        losses: in the end, ``Result.losses``; none or empty where there are none.
        diverged: ``Result.diverged``.
    """
    return [
        *_moment(history, "start"),
        *_moment(history, "end"),
        *_updates(history),
        _gap(history),
        _non_finite(history, diverged),
        _mismatch(losses or {}),
    ]


def number(
    name: str, when: When, value: float, where: str, step: int | None, healthy: Range
) -> Evidence:
    """A number that was seen, held against its range."""
    finding = healthy.finding(value)
    state: State = "outside" if finding else "inside"
    if math.isfinite(value):
        return Evidence(name, when, value, where, step, healthy.bounds, state, finding)
    why = "not finite" if value > 0 else "zero"
    return Evidence(name, when, None, where, step, healthy.bounds, state, finding, why)


@dataclass(frozen=True)
class _Look:
    """One number of every layer that has it, at one step or as the median of several."""

    step: int
    values: dict[str, float]


def profile(deltas: Numbers) -> Numbers:
    """log10 of the first delta over the last, (looks,); not a number where one was not seen.

    One that is not finite explodes, and a first of 0 has vanished.

    Args:
        deltas: (looks, units) RMS, of the hidden layers in depth order that have some.
    """
    first, last = deltas[:, 0], deltas[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(first == 0, -np.inf, np.log10(first) - np.log10(last))
    found = np.where(np.isinf(deltas).any(-1), np.inf, found)
    return np.where(np.isnan(first) | np.isnan(last), np.nan, found)


def chain(history: History) -> list[int]:
    """The places of the units whose pre-activations have a delta, in depth order."""
    return [at for at in range(len(history.units)) if not np.isnan(history.deltas[:, at]).all()]


def _tables(history: History) -> dict[str, tuple[list[str], Numbers]]:
    """What is read at the start and at the end: names, (looks, names)."""
    names = [unit.name for unit in history.units]
    gated = [at for at, unit in enumerate(history.units) if unit.rule in GATED]
    tables = {key: (names, history.shares[key]) for key in ("saturated", "dead")}
    for key in ("gate", "linear"):
        tables[key] = ([names[at] for at in gated], history.shares[key][:, gated])
    at = chain(history)
    if len(at) > 1:
        first, last = (history.units[place].source for place in (at[0], at[-1]))
        tables["profile"] = ([f"{first} / {last}"], profile(history.deltas[:, at])[:, None])
    return tables


def _look(history: History, names: Sequence[str], table: Numbers, when: When) -> _Look | str:
    """What was read at a moment, or why nothing was; empty if no look has it."""
    if not len(history.steps):
        return "no layer was looked at"
    seen = np.flatnonzero(~np.isnan(table).all(-1)) if table.size else np.empty(0, int)
    if not len(seen):
        return ""
    if when == "start":
        return _Look(int(history.steps[seen[0]]), _named(names, table[seen[:1]]))
    seen = seen[np.isfinite(history.at_looks("loss")[seen])][-TAIL:]
    if not len(seen):
        return "no look with a finite loss"
    last = history.steps[seen[-1]]
    late = seen[2 * history.steps[seen] >= last]
    return _Look(int(last), _named(names, table[late]))


def _named(names: Sequence[str], values: Numbers) -> dict[str, float]:
    """The median of each column, the lower one of two; of those that the last look has."""
    there = ~np.isnan(values[-1])
    middle = np.sort(values, axis=0)  # what was not seen comes last
    counts = (~np.isnan(values)).sum(0)
    return {
        name: float(middle[(count - 1) // 2, at])
        for at, (name, count) in enumerate(zip(names, counts))
        if there[at]
    }


def _moment(history: History, when: When) -> Iterator[Evidence]:
    tables = _tables(history)
    gated = not np.isnan(history.shares["saturated"]).all()
    gates = "never looked at closely" if gated else "no tanh or sigmoid"
    for name, key, healthy, missing, applies in (
        ("delta profile", "profile", PROFILE, "needs the deltas of two hidden layers", False),
        ("closed gates", "gate", GATE, gates, gated),
        ("saturated elements", "saturated", SATURATED, gates, False),
        ("dead units", "dead", DEAD, "no activation with a delta", False),
        ("linear units", "linear", LINEAR, gates, gated),
    ):
        names, table = tables.get(key, ([], np.empty((len(history.steps), 0))))
        look = _look(history, names, table, when)
        side = min if key == "linear" else max
        if history.blind:
            look, applies = BLIND, True
        yield _item(name, when, look or missing, healthy, side, applies=bool(look) or applies)


def _updates(history: History) -> Iterator[Evidence]:
    ratios, lr = history.moves["update_ratio"], history.at_looks("lr")
    if len(lr):
        ratios = np.where((lr < lr.max())[:, None], np.nan, ratios)
    look = _look(history, history.matrices, ratios, "end") or "no matrix was looked at"
    yield _item("median update", "end", look, SLOW, _middle)
    yield _item("fastest update", "end", look, FAST)


def _middle(values: Mapping[str, float], key: Callable[[str], float]) -> str:
    """The place of the median; of two, the lower."""
    return sorted(values, key=key)[(len(values) - 1) // 2]


def gaps(history: History) -> Numbers:
    """The gap of every row, (rows,): of one that looked wrong, measured once more in float64.

    Where everything is broken there is nothing to be said of how two engines differ. Nor is there
    where the loss is so large that a probability may be 0: what is pulled back step by step through
    its logarithm is then 0/0, though the closed form is right.
    """
    of = history.scalars
    sound = np.isfinite(of["loss"]) & ~np.isinf(of["grad_norm"])
    exact = np.where(np.isnan(of["gap_float64"]), of["gap"], of["gap_float64"])
    return np.where(sound & (np.isfinite(exact) | (of["loss"] < UNDERFLOW)), exact, np.nan)


def _gap(history: History) -> Evidence:
    """The widest."""
    found = gaps(history)
    if np.isnan(found).all():
        return _item("gap", "run", "never compared with the other engine", GAP)
    at = int(np.nanargmax(found))
    step = int(history.scalars["step"][at])
    return _item("gap", "run", _Look(step, {history.apart.get(step, ""): float(found[at])}), GAP)


def _non_finite(history: History, diverged: Mapping[str, Any] | None) -> Evidence:
    """How many, and the first: the run itself knows it best."""
    count, step, name = history.spoilt
    if diverged is not None:
        step, name = diverged["step"], f"{diverged['node']}.{diverged['tensor']}"
        count = max(1, count)  # the update after the last row may have made it
    if step is None:
        step = history.last
    found = _Look(step, {name: count}) if step is not None else "there is no record"
    return _item("non-finite values", "run", found, NON_FINITE)


def _mismatch(losses: Mapping[str, float]) -> Evidence:
    value = losses.get("train", math.nan) - losses.get("by_batch", math.nan)
    if math.isnan(value):
        return _item("mismatch", "run", "no final losses", MISMATCH)
    item = _item("mismatch", "run", _Look(0, {"": value}), MISMATCH)
    why = "of the final losses" if item.finding else ""
    return replace(item, step=None, why=item.why or why)


def _item(
    name: str,
    when: When,
    look: _Look | str,
    healthy: Range,
    side: Callable[..., str] = max,
    applies: bool = True,
) -> Evidence:
    """The largest of a look, or the smallest, or why there is none."""
    if isinstance(look, str):
        state: State = "unknown" if applies else "does not apply"
        return Evidence(name, when, None, "", None, healthy.bounds, state, why=look)
    place = side(look.values, key=look.values.__getitem__)
    return number(name, when, look.values[place], place, look.step, healthy)
