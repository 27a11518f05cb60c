"""The layers of a looked-at step as a small table, in depth order."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from ninja.diagnosis.history import hidden
from ninja.diagnosis.ranges import DEAD, GAP, PROFILE, SATURATED, UPDATE, Range
from ninja.screen.losses import LARGE

OUTSIDE = "bold red"
"""Of a number outside its healthy range; bold where there are no colours."""

GAUGE = 17
"""Characters from vanishing to exploding."""


@dataclass(frozen=True)
class Part:
    """A weight matrix and all that follows up to the next one: linear, norm, activation.

    Attributes:
        name: of its first and its last node.
        numbers: by the names of `COLUMNS`, those that apply.
    """

    name: str
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class Column:
    """One number of every part.

    Attributes:
        title: over the column.
        shown: the number in a few characters.
        healthy: the range it is held against.
        leaves: which column leaves a narrow terminal first: the one with the largest.
    """

    title: str
    shown: Callable[[float], str]
    healthy: Range | None
    leaves: int

    def cell(self, value: float | None) -> Text:
        """The number, marked if it is outside its range."""
        if value is None:
            return Text("")
        return Text(self.shown(value), OUTSIDE if self.excess(value) else "")

    def excess(self, value: float) -> float:
        """How far it is outside its range, in widths of this; infinite for what is no number."""
        if not math.isfinite(value):
            return math.inf
        if self.healthy is None:
            return 0.0
        low, high = self.healthy.low, self.healthy.high
        return max(low - value, value - high, 0.0) / (high - low)


def _share(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    return f"{value:.0%}" if abs(value) < LARGE else f"{value:.0e}"


def _log(value: float) -> str:
    return f"{value:+.1f}" if abs(value) < LARGE or math.isinf(value) else f"{value:+.0e}"


def _gauge(value: float) -> str:
    """Where a profile of log10 lies between vanishing and exploding, the middle being even."""
    if math.isnan(value):
        return "?" * GAUGE
    low, high = PROFILE.low, PROFILE.high
    at = (min(max(value, low), high) - low) / (high - low)
    place = round(at * (GAUGE - 1))
    return "╌" * place + "●" + "╌" * (GAUGE - 1 - place)


COLUMNS = {
    "grad": Column("grad norm", "{:.1e}".format, None, 4),
    "update": Column("update", _log, UPDATE, 1),
    "eased": Column("update", _log, None, 1),
    "saturated": Column("saturated", _share, SATURATED, 2),
    "dead": Column("dead", _share, DEAD, 3),
    "gap": Column("gap", "{:.0e}".format, GAP, 5),
    "delta": Column("delta RMS", "{:.1e}".format, None, 0),
    "profile": Column("vanish · explode", _gauge, PROFILE, 6),
}
"""From left to right. ``grad`` is the norm of the gradient of all its parameters, ``update``
log10(std(Δw)/std(w)), ``eased`` the same where a schedule has lowered the rate, ``delta`` the RMS
of ∂loss/∂(pre-activation), ``profile`` its log10 over that of the last hidden layer."""


def parts(layers: Sequence[Mapping[str, Any]], *, eased: bool = False) -> list[Part]:
    """Group the layers of a row.

    Args:
        layers: in depth order, as a record has them.
        eased: the learning rate is lower than it was: small updates are meant.
    """
    groups: list[list[Mapping[str, Any]]] = []
    starts = {layer["node"] for layer in layers if "update_ratio" in layer}
    node = ""
    for layer in layers:
        if layer["node"] != node and layer["node"] in starts:
            groups.append([])
        node = layer["node"]
        if groups:  # what comes before any matrix has no numbers of its own
            groups[-1].append(layer)
    before = {act["node"]: pre for pre, act in hidden(layers)}
    last = list(before.values())[-1].get("delta_rms") if before else None
    found = [_part(group, before, last) for group in groups]
    return [_eased(part) for part in found] if eased else found


def _eased(part: Part) -> Part:
    numbers = {"eased" if k == "update" else k: number for k, number in part.numbers.items()}
    return Part(part.name, numbers)


def _part(
    group: Sequence[Mapping[str, Any]],
    before: Mapping[str, Mapping[str, Any]],
    last: float | None,
) -> Part:
    numbers: dict[str, float] = {}
    for name, column in (("grad", "grad_norm"), ("gap", "gap")):
        if found := [layer[column] for layer in group if column in layer]:
            numbers[name] = math.hypot(*found)
    for name, column in (("update", "update_ratio"), ("saturated", "saturated"), ("dead", "dead")):
        if found := [layer[column] for layer in group if column in layer]:
            numbers[name] = found[0]
    active = next((layer["node"] for layer in group if layer["node"] in before), None)
    outputs = [layer for layer in group if layer["tensor"] == "y" and "delta_rms" in layer]
    read = before[active] if active else outputs[-1] if outputs else {}
    if "delta_rms" in read:
        numbers["delta"] = read["delta_rms"]
        if active and last is not None:
            numbers["profile"] = _log_ratio(read["delta_rms"], last)
    trained = [layer["node"] for layer in group if layer["tensor"] != "y"]
    first = group[0]["node"]
    end = active or (trained or [first])[-1]
    return Part(first if first == end else f"{first} … {end}", numbers)


def _log_ratio(delta: float, last: float) -> float:
    if not (0 <= delta < math.inf and 0 <= last < math.inf):  # what is no RMS
        return math.nan
    if delta == 0:
        return -math.inf
    return math.log10(delta) - math.log10(last) if last else math.inf


def layers_table(found: Sequence[Part], width: int, height: int) -> Table | None:
    """As much as there is room for: the ends and the worst in height, the telling in width.

    Args:
        found: the parts of one step.
        width: of the terminal, in characters.
        height: lines there are for the table, its titles and what is said of the parts left out.
    """
    room = height - 1
    if not found or room < 3:
        return None
    kept = _kept(found, room - 1) if len(found) > room else set(range(len(found)))
    left = [part for index, part in enumerate(found) if index not in kept]
    shown = [part for index, part in enumerate(found) if index in kept]
    more = f"{len(left)} more, {sum(badness(part) > 0 for part in left)} outside" if left else ""
    names = _fitting(found, width - max(len(more), *(len(part.name) for part in shown)))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("layer", no_wrap=True)
    for name in names:
        justify = "left" if name == "profile" else "right"
        table.add_column(COLUMNS[name].title, no_wrap=True, justify=justify)
    for part in shown:
        cells = [COLUMNS[name].cell(part.numbers.get(name)) for name in names]
        table.add_row(Text(part.name, OUTSIDE if badness(part) else ""), *cells)
    if more:
        table.add_row(Text(more, "dim"))
    return table


def badness(part: Part) -> float:
    """How far its numbers are outside their ranges, in widths of these; 0 if none is."""
    return sum(COLUMNS[name].excess(value) for name, value in part.numbers.items())


def _kept(found: Sequence[Part], room: int) -> set[int]:
    """The first, the last, the worst, and of equals the nearest to the ends."""
    ends = (0, len(found) - 1)

    def order(index: int) -> tuple[bool, float, int]:
        return index not in ends, -badness(found[index]), min(index, ends[1] - index)

    return set(sorted(range(len(found)), key=order)[:room])


def _fitting(found: Sequence[Part], width: int) -> list[str]:
    """The columns that some part has and that the width has room for."""
    names = [name for name in COLUMNS if any(name in part.numbers for part in found)]

    def wide(name: str) -> int:
        shown, title = COLUMNS[name].shown, COLUMNS[name].title
        values = [part.numbers[name] for part in found if name in part.numbers]
        return 2 + max(len(title), *(len(shown(value)) for value in values))

    while names and sum(map(wide, names)) > width:
        names.remove(max(names, key=lambda name: COLUMNS[name].leaves))
    return names
