"""Where panels, legends and labels lie, in inches: nothing is fitted afterwards, nothing overlaps.

Widths of text are taken from DejaVu Sans, which is wider than what most browsers have.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from analysis.figures.style import Theme, plain

WIDTH = 7.4
"""Of every figure, in inches."""

TITLE = 3
"""Lines of a panel's title, at most."""

LINE = 0.17
"""Of a legend's line."""

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Room:
    """Around and between panels, in inches."""

    left: float = 0.72
    right: float = 0.2
    top: float = 0.3
    bottom: float = 0.5
    across: float = 0.22
    down: float = 0.4


@dataclass(frozen=True)
class Panels:
    """A figure and its panels.

    Attributes:
        figure: of matplotlib.
        axes: (rows, columns), or fewer in the last row.
    """

    figure: matplotlib.figure.Figure
    axes: list[list[Axes]]

    @property
    def flat(self) -> list[Axes]:
        """Row by row."""
        return [axes for row in self.axes for axes in row]


def panels(
    count: int,
    columns: int,
    *,
    height: float = 1.5,
    room: Room | None = None,
    legend: Sequence[str] = (),
    share: bool = True,
) -> Panels:
    """So many panels, row by row.

    Args:
        count: of panels.
        columns: at most.
        height: of a panel.
        room: around them.
        legend: what it will say; room is kept for it below.
        share: one scale for all; only outer panels have numbers.
    """
    room = room or Room()
    columns = max(1, min(columns, count))
    rows = math.ceil(count / columns)
    below = room.bottom + LINE * lines(legend) + (0.06 if legend else 0)
    tall = room.top + rows * height + (rows - 1) * room.down + below
    wide = (WIDTH - room.left - room.right - (columns - 1) * room.across) / columns
    figure = matplotlib.figure.Figure(figsize=(WIDTH, tall))
    made: list[list[Axes]] = []
    for row in range(rows):
        made.append([])
        for column in range(min(columns, count - row * columns)):
            x = room.left + column * (wide + room.across)
            y = below + (rows - 1 - row) * (height + room.down)
            first = made[0][0] if share and made[0] else None
            place = (x / WIDTH, y / tall, wide / WIDTH, height / tall)
            axes = figure.add_axes(place, sharex=first, sharey=first)
            if share and column:
                axes.tick_params(labelleft=False)
            if share and (row + 1) * columns + column < count:
                axes.tick_params(labelbottom=False)
            made[-1].append(axes)
    return Panels(figure, made)


def titled(names: Sequence[str], columns: int) -> float:
    """The room that the titles of so many columns take, in inches."""
    fits = _letters(WIDTH / columns - 0.35)
    most = max((len(_wrapped(name, fits)) for name in names), default=1)
    return 0.16 + 0.14 * min(most, TITLE)


def per_line(names: Sequence[str]) -> int:
    """How many entries of a legend stand side by side."""
    widest = max(map(len, names)) * 0.068 + 0.52
    return max(1, min(len(names), int((WIDTH - 0.3) / widest)))


def lines(names: Sequence[str]) -> int:
    """How many lines a legend takes."""
    return math.ceil(len(names) / per_line(names)) if names else 0


def legend(made: Panels, handles: Sequence[Any], names: Sequence[str]) -> None:
    """Below the panels; `panels` has kept room for it."""
    made.figure.legend(
        list(handles),
        list(names),
        loc="lower center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=per_line(names),
        handlelength=2.6,
        columnspacing=1.4,
        borderpad=0.2,
        labelspacing=0.35,
    )


def labels(made: Panels, x: str, y: str) -> None:
    """What the axes are, once for all panels."""
    boxes = [axes.get_position() for axes in made.flat]
    middle = (min(box.y0 for box in boxes) + max(box.y1 for box in boxes)) / 2
    made.figure.text(0.12 / WIDTH, middle, y, ha="center", va="center", rotation=90)
    below(made, x)


def below(made: Panels, x: str) -> None:
    """What the lower axes are, once for all panels."""
    tall = float(made.figure.get_size_inches()[1])
    boxes = [axes.get_position() for axes in made.flat]
    middle = (min(box.x0 for box in boxes) + max(box.x1 for box in boxes)) / 2
    low = min(box.y0 for box in boxes)
    made.figure.text(middle, low - 0.24 / tall, x, ha="center", va="top")


def title(axes: Axes, text: str, until: Axes | None = None) -> None:
    """Of a panel, or of all to another one of its row, in a few lines, cut to its width."""
    wide = ((until or axes).get_position().x1 - axes.get_position().x0) * WIDTH + 0.1
    fits = _letters(wide)
    whole = _wrapped(text, fits)
    told = [*whole[: TITLE - 1], " ".join(whole[TITLE - 1 :])]
    shown = "\n".join(plain(line, fits) for line in told if line)
    axes.set_title(shown, pad=4, y=1.0, loc="left")


def _letters(wide: float) -> int:
    """That fit side by side, of so many inches."""
    return max(6, int(wide / 0.066))


def _wrapped(text: str, fits: int) -> list[str]:
    return wrap(text, fits, break_long_words=False, break_on_hyphens=False)


def power(value: float) -> str:
    """10⁻³, without any markup."""
    return "10" + str(round(math.log10(value))).translate(SUPERSCRIPTS)


def blank(axes: Axes) -> None:
    """No lines and no ticks; its title and labels stay."""
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])


def log_axis(axes: Axes, which: str = "y", ticks: int = 5) -> None:
    """A logarithmic axis with whole powers of ten."""
    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(LogLocator(10, numticks=ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: power(value) if value > 0 else ""))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def span(values: Any, *also: float) -> tuple[float, float]:
    """The whole powers of ten around positive values; at least two of them."""
    found = np.asarray(values, dtype=float)
    found = np.append(found[np.isfinite(found) & (found > 0)], [of for of in also if of > 0])
    if not len(found):
        return 0.1, 10.0
    low, high = math.floor(np.log10(found.min())), math.ceil(np.log10(found.max()))
    return 10.0**low, 10.0 ** max(high, low + 1)


def step_axis(axes: Axes, last: float) -> None:
    """Steps: linear up to 1, and logarithmic from there, as most happens early."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    powers = [10**k for k in range(12) if 10**k <= last]
    if len(powers) > 5:
        powers = powers[::2]
    axes.xaxis.set_major_locator(FixedLocator([0, *powers]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(-0.15, max(last, 1) * 1.25)


def count(value: float) -> str:
    """1, 100, 10k, 1M."""
    for size, sign in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{sign}"
    return f"{value:g}"


def depth_axis(axes: Axes, last: int) -> None:
    """Layers to the right, from 1."""
    whole_axis(axes.xaxis, last)
    axes.set_xlim(0.7, max(last, 2) + 0.3)


def whole_axis(axis: Axis, last: int) -> None:
    """Whole numbers from 1, not too many."""
    by = next((of for of in (1, 2, 5, 10, 20, 50, 100) if last / of <= 8), last)
    axis.set_major_locator(
        FixedLocator([1, *range(by, last + 1, by)] if by > 1 else range(1, last + 1))
    )
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))


def grid(axes: Axes, theme: Theme) -> None:
    """Faint lines at the numbers of the upright axis."""
    axes.grid(visible=True, axis="y", color=theme.faint, alpha=0.4, linewidth=0.3)
