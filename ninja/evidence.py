"""What the record of a run says of its health: numbers, each held against its healthy range.

Pure functions of the rows of a record and of how the run ended; no torch, no tables. They read a
network as the record lists it, in depth order: an activation is a node that has `ACTIVATIONS`, and
the node before it is the pre-activation that it reads.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median_low
from typing import Any, Literal

Row = Mapping[str, Any]
"""A row of a record, or one of its layers."""

When = Literal["start", "end", "run"]
State = Literal["inside", "outside", "unknown", "does not apply"]

TAIL = 5
"""Looks whose median stands for the end of a run: one batch is a whim."""

ACTIVATIONS = ("dead", "linear", "saturated")
"""Columns of an activation; which of them a row has depends on how closely the step was looked at,
and on the activation."""


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

    def finding(self, value: float) -> str:
        """What an infinity or a number outside is called; nothing of one inside or of NaN."""
        return self.below if value < self.low else self.above if value > self.high else ""


PROFILE = Range(-2, 2, "vanishing", "exploding")
GATE = Range(0, 0.5, above="saturated")
SATURATED = Range(0, 0.5, above="saturated")
DEAD = Range(0, 0.5, above="dead")
LINEAR = Range(0, 0.9, above="linear")
UPDATE = Range(-4, -1, "stalled", "unstable")
GAP = Range(0, 1e-5, above="wrong gradient")
"""As `ninja.agreement.WRONG`, which comes with torch."""
NON_FINITE = Range(0, 0, above="diverged")
MISMATCH = Range(-0.1, 0.1, "mismatch", "mismatch")

FINDINGS = (
    *("diverged", "wrong gradient", "exploding", "vanishing", "saturated", "dead"),
    *("linear", "unstable", "stalled", "mismatch"),
)
"""Every finding, the gravest first: the order in which a verdict names them."""


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
        healthy: the smallest and the largest healthy value.
        state: whether the value is inside. "does not apply" is said of what this network cannot
            have, "unknown" of what was not looked at.
        finding: what it is called, of `FINDINGS`; empty unless it is outside.
        why: in words, where the value alone does not say it.
    """

    name: str
    when: When
    value: float | None
    where: str
    step: int | None
    healthy: tuple[float, float]
    state: State
    finding: str = ""
    why: str = ""


def read(plain: Mapping[str, Any]) -> Evidence:
    """What `asdict` made plain."""
    found: dict[str, Any] = {**plain, "healthy": tuple(plain["healthy"])}
    return Evidence(**found)


def gather(
    rows: Iterable[Row],
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
    - linear units: the largest share of one layer of a tanh or sigmoid with abs(z) < 0.1. Such a
      layer is a straight line, and the depth is lost.

    At the end only, because the first updates of a small output layer are large in proportion, and
    at the largest learning rate that there was, because a schedule that lowers it stalls nothing:

    - smallest and largest update: log10(std(Δw)/std(w)) of the matrices.

    Of the whole run:

    - gap: the largest from the other engine.
    - non-finite values: their number in the record, but for update ratios, which may be infinite.
    - mismatch: the training loss by running statistics less that by each batch's own, in nats.

    Args:
        rows: of the record, as ``ninja.records.rows`` yields them; read once.
        losses: in the end, ``Result.losses``; none or empty where there are none.
        diverged: ``Result.diverged``.
    """
    seen = _Seen()
    for row in rows:
        seen.see(row)
    return [
        *_moment(seen, "start"),
        *_moment(seen, "end"),
        *_updates(seen),
        seen.gap(),
        seen.non_finite(diverged),
        _mismatch(losses or {}),
    ]


def verdict(items: Sequence[Evidence]) -> str:
    """In words: "healthy", the `FINDINGS` joined by commas, or "unknown": nothing was looked at.

    "vanishing at the start" is what training has mended since. "healthy (unknown: gap)" is a run
    that is healthy as far as it was looked at.
    """
    moments: dict[str, set[When]] = {}
    for item in items:
        moments.setdefault(item.finding, set()).add(item.when)
    named = [
        f"{finding} at the start" if moments[finding] == {"start"} else finding
        for finding in FINDINGS
        if finding in moments
    ]
    if named:
        return ", ".join(named)
    if not any(item.state == "inside" and item.when != "run" for item in items):
        return "unknown"
    unknown = dict.fromkeys(item.name for item in items if item.state == "unknown")
    return f"healthy (unknown: {', '.join(unknown)})" if unknown else "healthy"


def hidden(layers: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
    """Every pre-activation and its activation, in depth order; their "y" rows."""
    before: Row = {}
    for layer in layers:
        if layer["tensor"] != "y":
            continue
        if any(column in layer for column in ACTIVATIONS):
            yield before, layer
        before = layer


def where(layer: Row) -> str:
    """The name of a layer's row: a node, or a parameter of it."""
    return layer["node"] if layer["tensor"] == "y" else f"{layer['node']}.{layer['tensor']}"


@dataclass(frozen=True)
class _Look:
    """One number of every layer that has it, at one step or as the median of several."""

    step: int
    values: dict[str, float]


def _of(column: str, *, gates: bool = False) -> Callable[[Sequence[Row]], dict[str, float]]:
    """Reads a column. NaN is left out: it is counted by itself."""

    def read(layers: Sequence[Row]) -> dict[str, float]:
        return {
            where(layer): layer[column]
            for layer in layers
            if not math.isnan(layer.get(column, math.nan)) and (not gates or "gate" in layer)
        }

    return read


def _profile(layers: Sequence[Row]) -> dict[str, float]:
    """log10 of the first delta over the last, under the names of both."""
    at = [before for before, _ in hidden(layers) if "delta_rms" in before]
    if len(at) < 2:
        return {}
    return {f"{where(at[0])} / {where(at[-1])}": _log_ratio([of["delta_rms"] for of in at])}


def _log_ratio(deltas: Sequence[float]) -> float:
    """Of the first to the last; one that is not finite explodes, and a first of 0 has vanished."""
    if not all(map(math.isfinite, deltas)):
        return math.inf
    first, last = deltas[0], deltas[-1]
    if first == 0:
        return -math.inf
    return math.log10(first) - math.log10(last) if last else math.inf


_READ = {
    "profile": _profile,
    "gate": _of("gate"),
    "saturated": _of("saturated"),
    "dead": _of("dead"),
    "linear": _of("linear", gates=True),
    "update": _of("update_ratio"),
}
"""What is kept of a row."""

_FINITE = (
    *("loss", "grad_norm", "weight_norm", "delta_rms", "act_mean"),
    *("saturated", "gate", "linear", "dead"),
)
"""Columns that are finite in a sound run. An update ratio of −∞ did not move; the deviation of a
single number is none."""


@dataclass
class _Seen:
    """What is kept of the rows as they go by."""

    start: dict[str, _Look] = field(default_factory=dict)
    tail: dict[str, deque[_Look]] = field(default_factory=dict)
    looked: bool = False
    rate: float = -math.inf
    last: int | None = None
    widest: _Look | None = None
    bad: int = 0
    first_bad: tuple[int | None, str] = (None, "")

    def see(self, row: Row) -> None:
        """Take one in."""
        self.last = step = row["step"]
        layers: list[Row] = row.get("layers", [])
        self.looked = self.looked or any("grad_norm" in layer for layer in layers)
        self._count(row, layers)
        self._compare(row, layers)
        if row["lr"] > self.rate:
            self.rate = row["lr"]
            self.tail.pop("update", None)
        for key, read in _READ.items():
            if key == "update" and row["lr"] < self.rate:
                continue
            if values := read(layers):
                look = _Look(step, values)
                self.start.setdefault(key, look)
                if math.isfinite(row["loss"]):
                    self.tail.setdefault(key, deque(maxlen=TAIL)).append(look)

    def _count(self, row: Row, layers: Sequence[Row]) -> None:
        steps = {key: row[key] for key in ("loss", "grad_norm") if key in row}
        for name, columns in [("loss", steps), *((where(layer), layer) for layer in layers)]:
            bad = sum(not math.isfinite(columns[key]) for key in _FINITE if key in columns)
            if bad and not self.bad:
                self.first_bad = (row["step"], name)
            self.bad += bad

    def _compare(self, row: Row, layers: Sequence[Row]) -> None:
        # where everything is broken, there is nothing to be said of how two engines differ
        sound = math.isfinite(row["loss"]) and math.isfinite(row.get("grad_norm", 0.0))
        if "gap" not in row or not sound:
            return
        # one that looked wrong was measured once more, without the rounding
        gap = row.get("gap_float64", row["gap"])
        gap = math.inf if math.isnan(gap) else gap
        if self.widest is None or gap > max(self.widest.values.values()):
            by_layer = _of("gap")(layers)
            place = max(by_layer, key=by_layer.__getitem__) if any(by_layer.values()) else ""
            self.widest = _Look(row["step"], {place: gap})

    def look(self, when: When, key: str) -> _Look | str:
        """What was read at a moment, or why nothing was; empty if no step has it."""
        if not self.looked:
            return "no layer was looked at"
        if key not in self.start:
            return ""
        if when == "start":
            return self.start[key]
        tail = self.tail.get(key)
        if not tail:
            return "no look with a finite loss"
        late = [look for look in tail if 2 * look.step >= tail[-1].step]
        names = tail[-1].values
        found = {
            name: median_low(look.values[name] for look in late if name in look.values)
            for name in names
        }
        return _Look(tail[-1].step, found)

    def gap(self) -> Evidence:
        """The widest."""
        return _item("gap", "run", self.widest or "never compared with the other engine", GAP)

    def non_finite(self, diverged: Mapping[str, Any] | None) -> Evidence:
        """How many, and the first: the run itself knows it best."""
        count, (step, name) = self.bad, self.first_bad
        if diverged is not None:
            step, name = diverged["step"], f"{diverged['node']}.{diverged['tensor']}"
            count = max(1, count)  # the update after the last row may have made it
        if step is None:
            step = self.last
        found = _Look(step, {name: count}) if step is not None else "there is no record"
        return _item("non-finite values", "run", found, NON_FINITE)


def _moment(seen: _Seen, when: When) -> Iterator[Evidence]:
    gated = "saturated" in seen.start
    gates = "never looked at closely" if gated else "no tanh or sigmoid"
    for name, key, healthy, missing, applies in (
        ("delta profile", "profile", PROFILE, "needs the deltas of two hidden layers", False),
        ("closed gates", "gate", GATE, gates, gated),
        ("saturated elements", "saturated", SATURATED, gates, False),
        ("dead units", "dead", DEAD, "no activation with a delta", False),
        ("linear units", "linear", LINEAR, gates, gated),
    ):
        look = seen.look(when, key)
        yield _item(name, when, look or missing, healthy, applies=bool(look) or applies)


def _updates(seen: _Seen) -> Iterator[Evidence]:
    look = seen.look("end", "update") or "no matrix was looked at"
    yield _item("smallest update", "end", look, UPDATE, min)
    yield _item("largest update", "end", look, UPDATE)


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
    bounds = (healthy.low, healthy.high)
    if isinstance(look, str):
        state: State = "unknown" if applies else "does not apply"
        return Evidence(name, when, None, "", None, bounds, state, why=look)
    place = side(look.values, key=look.values.__getitem__)
    value = look.values[place]
    finding = healthy.finding(value)
    state = "outside" if finding else "inside"
    if not math.isfinite(value):
        why = "not finite" if value > 0 else "zero"
        return Evidence(name, when, None, place, look.step, bounds, state, finding, why)
    return Evidence(name, when, value, place, look.step, bounds, state, finding)
