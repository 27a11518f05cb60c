"""How far the gradient by hand and autograd's are apart, over time and by precision."""

from dataclasses import dataclass

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter

from analysis.figures import layout
from analysis.figures.figure import Drawing, Figure, command, sentences
from analysis.figures.groups import band
from analysis.figures.losses import thin
from analysis.figures.style import DASHES, MARKERS, Theme, plain
from analysis.tables import Records
from ninja.diagnosis.ranges import GAP

NAME = "gaps"
ROUNDING = {"float32": 2.0**-24, "float64": 2.0**-53}
"""The largest relative error of one rounding."""

AGAIN = "float32 runs, again in float64"


def build(records: Records) -> Figure | None:
    """The figure; none where no gap was taken."""
    about = records.runs.reindex(columns=["run", "dtype", "backward"])
    rows = records.steps[["run", "step", "gap"]].dropna().merge(about, on="run")
    rows = rows[rows["dtype"].isin(list(ROUNDING))].rename(
        columns={"dtype": "panel", "backward": "series"}
    )
    if "gap_float64" in records.steps:
        again = records.steps[["run", "step", "gap_float64"]].dropna()
        again = again.rename(columns={"gap_float64": "gap"}).merge(about[["run"]], on="run")
        rows = pd.concat([rows, again.assign(panel="float64", series=AGAIN)])
    rows["series"] = rows["series"].astype(str).map(plain)
    data = thin(band(rows, ["panel", "series", "step"], "gap"))
    if data.empty:
        return None
    return Figure(
        NAME,
        "The gap between the gradient by hand and autograd's",
        sentences(
            "Relative distance of the whole gradient from that of the other engine on the same "
            "step; no unit. A line is the engine that trained: the median over its runs, "
            "in a band from "
            "the least to the greatest; 0 is equal in every bit. Dotted, one rounding "
            f"(2⁻²⁴ in float32, 2⁻⁵³ in float64); dashed, {GAP.high:g}, beyond which a gradient is "
            "called wrong.".replace("e-0", "e−"),
        ),
        _alt(data),
        data,
        command(NAME, records),
        _Drawing(data),
    )


def _alt(data: pd.DataFrame) -> str:
    said: list[str] = []
    for panel, of in data.groupby("panel"):
        worst = of.iloc[int(of["high"].to_numpy().argmax())]
        said.append(
            f"In {panel} the largest gap is {worst['high']:.2g}, of {worst['series']} at step "
            f"{worst['step']:,}, and the median {of['median'].median():.2g}."
        )
    return " ".join(said)


@dataclass(frozen=True)
class _Drawing(Drawing):
    data: pd.DataFrame

    def draw(self, theme: Theme) -> matplotlib.figure.Figure:
        panels, names = sorted(self.data["panel"].unique()), sorted(self.data["series"].unique())
        room = layout.Room(left=0.75, across=0.6)
        told = [*names, "one rounding", "wrong beyond"]
        made = layout.panels(
            len(panels), len(panels), height=2.1, room=room, legend=told, share=False
        )
        for axes, panel in zip(made.flat, panels, strict=True):
            of = self.data[self.data["panel"] == panel]
            floor = _axis(axes, of, ROUNDING[panel])
            layout.step_axis(axes, float(self.data["step"].max()))
            layout.grid(axes, theme)
            axes.axhline(ROUNDING[panel], color=theme.ink, ls=(0, (1, 2)), lw=0.9)
            axes.axhline(GAP.high, color=theme.ink, ls=(0, (5, 3)), lw=0.9)
            for number, name in enumerate(names):
                line = of[of["series"] == name]
                y, low, high = (line[key].clip(lower=floor) for key in ("median", "low", "high"))
                colour = theme.colours[number]
                axes.plot(
                    line["step"],
                    y,
                    color=colour,
                    ls=DASHES[number],
                    marker=MARKERS[number],
                    markevery=max(1, len(line) // 6),
                )
                axes.fill_between(line["step"], low, high, color=colour, alpha=0.2, lw=0)
            layout.title(axes, panel)
        layout.labels(made, "step (logarithmic from 1 on)", "gap (relative)")
        handles = [
            Line2D([], [], color=theme.colours[at], ls=DASHES[at], marker=MARKERS[at])
            for at in range(len(names))
        ]
        handles += [Line2D([], [], color=theme.ink, ls=ls) for ls in ((0, (1, 2)), (0, (5, 3)))]
        layout.legend(made, handles, told)
        return made.figure


def _axis(axes: Axes, of: pd.DataFrame, rounding: float) -> float:
    """Powers of ten, and below them a place for 0; returns it."""
    values = of[["median", "low", "high"]]
    low, high = layout.span(values, rounding / 10, GAP.high)
    layout.log_axis(axes)
    floor = low / 10
    powers = np.arange(round(np.log10(low)), round(np.log10(high)) + 1)
    powers = powers[:: max(1, len(powers) // 5)]
    axes.yaxis.set_major_locator(FixedLocator([floor, *(10.0 ** float(of) for of in powers)]))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: "0" if value < low / 5 else layout.power(value))
    )
    axes.set_ylim(floor / 2, high * 2)
    return floor
