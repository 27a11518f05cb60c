"""The layers of a looked-at step as a small table, in depth order."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from ninja.diagnosis.ranges import DEAD, GAP, PROFILE, SATURATED, UPDATE, Range
from ninja.parts import Part
from ninja.screen.losses import LARGE

OUTSIDE = "bold red"
"""Of a number outside its healthy range; bold where there are no colours."""

GAUGE = 17
"""Characters from vanishing to exploding."""


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
