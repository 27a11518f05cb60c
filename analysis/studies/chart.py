"""What a study claims and what was measured: a panel a kind of claims, as its file says."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from analysis.figures import layout
from analysis.figures.figure import Drawing, Figure
from analysis.figures.style import MARKERS, Theme
from experiments.claims import Judged, Study
from experiments.panels import Panel

Values = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

COLUMNS = 2
TALL = 2.1
LEGEND = ("measured ± sd", "predicted", "tolerance")
WIDE = 9.0
"""Of the grey that is the tolerance, in points."""

FEW = 2.0
"""Powers of ten of which an axis shows parts."""

MANY = 100.0
"""From here on a number has no decimals."""

NEAR = 0.09
"""Of an axis: nearer numbers would touch."""


def chart(study: Study, judged: Sequence[Judged]) -> Figure:
    """The figure of a study.

    Args:
        study: whose panels say what is shown.
        judged: its claims, measured. Those that are not there are not drawn.
    """
    data = pd.DataFrame(_rows(study, {one.claim.name: one for one in judged}))
    quick = any(one.quick for one in judged)
    return Figure(
        "figure",
        study.question,
        "Filled marks are what was measured, the mean over seeds and a standard deviation around "
        "it; a bar is what is predicted, and the grey around it the tolerance of the claim. Dashes "
        "join what is predicted." + (" Measured in the quick form, with fewer seeds." * quick),
        _alt(data),
        data,
        f"python -m analysis studies {study.name}",
        _Drawing(study.figure, data),
    )


def _rows(study: Study, judged: dict[str, Judged]) -> Iterator[dict[str, object]]:
    for number, panel in enumerate(study.figure, 1):
        for series, places in panel.series.items():
            for name, place in places.items():
                if name in judged:
                    one = judged[name]
                    yield {
                        "panel": number,
                        "series": series,
                        "claim": one.claim.quantity,
                        "x": place,
                        "predicted": one.claim.predicted,
                        "tolerance": one.within.distance(one.claim.predicted),
                        "measured": one.mean,
                        "deviation": one.deviation,
                        "passed": one.passed,
                    }


def _alt(data: pd.DataFrame) -> str:
    said = f"{int(data['passed'].sum())} of {len(data)} claims that are shown pass"
    told = (
        f"{row['claim']}: {row['measured']:.4g}, predicted {row['predicted']:.4g}"
        for _, row in data.head(3).iterrows()
    )
    return f"{said}: {'; '.join(told)}."


@dataclass(frozen=True)
class _Drawing(Drawing):
    panels: Sequence[Panel]
    data: pd.DataFrame

    def draw(self, theme: Theme) -> matplotlib.figure.Figure:
        above = 0.12 + layout.LINE * max(len(panel.series) for panel in self.panels)
        room = layout.Room(left=0.75, across=0.85, top=above, down=above + 0.45, bottom=0.55)
        made = layout.panels(
            len(self.panels), COLUMNS, height=TALL, room=room, legend=LEGEND, share=False
        )
        for number, (axes, panel) in enumerate(zip(made.flat, self.panels, strict=True), 1):
            mine = self.data[self.data["panel"] == number]
            _axes(axes, panel, mine, theme)
            for name, colour, marker in zip(panel.series, theme.colours, MARKERS, strict=False):
                _series(axes, panel, mine[mine["series"] == name], colour, marker, theme)
            axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderpad=0.1)
        handles = [
            Line2D([], [], ls="", marker="o", color=theme.ink),
            Line2D([], [], ls="", marker="_", ms=WIDE, color=theme.ink),
            Patch(facecolor=theme.band),
        ]
        layout.legend(made, handles, LEGEND)
        return made.figure


def _axes(axes: Axes, panel: Panel, rows: pd.DataFrame, theme: Theme) -> None:
    axes.set_ylabel(panel.y)
    axes.set_xlabel(panel.x)
    layout.grid(axes, theme)
    if "y" in panel.log:
        _log(axes, rows[["predicted", "measured"]].to_numpy(dtype=float))
    elif rows["predicted"].nunique() == 1 and not rows["tolerance"].any():
        axes.set_ylim(0, 1.1 * rows["predicted"].max())  # all the same: beside nothing at all
    if panel.named:
        axes.set_xticks(range(len(panel.named)), panel.named)
        axes.set_xlim(-0.6, len(panel.named) - 0.4)
        return
    places = np.array(sorted(set(rows["x"].astype(float))))
    if "x" in panel.log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator(_apart(places, log="x" in panel.log)))
    axes.xaxis.set_major_formatter(FuncFormatter(_number))


def _log(axes: Axes, values: Values) -> None:
    """Whole powers of ten, or 1, 2 and 5 of each where there are few of them."""
    layout.log_axis(axes)
    if np.log10(values.max() / values.min()) < FEW:
        axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(_number))


def _number(value: float, _: object) -> str:
    return f"{value:,.0f}" if value >= MANY else f"{value:.3g}"


def _apart(places: Values, *, log: bool) -> list[float]:
    """Those whose numbers do not lie upon each other's."""
    at = np.log(places) if log else places
    kept: list[int] = []
    for n in range(len(at)):
        if not kept or at[n] - at[kept[-1]] >= NEAR * (at[-1] - at[0]):
            kept.append(n)
    return [float(places[n]) for n in kept]


def _series(
    axes: Axes, panel: Panel, rows: pd.DataFrame, colour: str, marker: str, theme: Theme
) -> None:
    if rows.empty:
        return
    x = [panel.named.index(place) if panel.named else float(place) for place in rows["x"]]
    predicted, tolerance = rows["predicted"], rows["tolerance"]
    if not panel.named:
        axes.plot(x, predicted, color=colour, lw=0.8, ls="--", zorder=2)
    axes.vlines(x, predicted - tolerance, predicted + tolerance, theme.band, lw=WIDE, zorder=1)
    axes.plot(x, predicted, ls="", marker="_", ms=WIDE, color=theme.ink, mew=0.8, zorder=2)
    axes.errorbar(
        x,
        rows["measured"],
        yerr=rows["deviation"].fillna(0),
        fmt=marker,
        color=colour,
        ms=4,
        elinewidth=0.8,
        zorder=3,
        label=rows["series"].iloc[0],
    )
