"""How the loss falls, with bands over seeds."""

import math
from dataclasses import dataclass
from typing import cast

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.figures import layout
from analysis.figures.figure import Drawing, Figure, command, sentences
from analysis.figures.groups import Facets, band, facets
from analysis.figures.style import DASHES, MARKERS, Theme
from analysis.tables import Records

NAME = "losses"
POINTS = 60
"""Of a line."""

HIGH = 30.0
"""Times the largest first loss: above it the others would be flat beside a run that diverges."""


def build(records: Records) -> Figure | None:
    """The figure; none where no loss is finite."""
    rows = records.steps.loc[np.isfinite(records.steps["loss"]), ["run", "step", "loss"]]
    runs = records.runs[records.runs["run"].isin(rows["run"].unique())]
    if runs.empty:
        return None
    over = facets(runs)
    data = thin(band(rows.merge(over.of, on="run"), ["panel", "series", "step"], "loss"))
    lost = _lost(records).merge(over.of, on="run")
    ends = lost.groupby(["panel", "series", "step"], observed=True).size()
    data = pd.concat([data, ends.rename("diverged").reset_index()], ignore_index=True)
    classes = runs["classes"].dropna().unique()
    chance = math.log(int(classes[0])) if len(classes) == 1 else math.nan
    top = HIGH * np.nanmax([*rows.groupby("run")["loss"].first(), chance])
    cut = len(lost) > 0 and 0 < top < data["high"].max()
    return Figure(
        NAME,
        "The loss of the batches",
        sentences(
            "Cross-entropy of the batch in nats, against the step: the median over seeds and "
            "engines, in a band from the least to the greatest.",
            f"Dotted, ln {classes[0]} = {chance:.2f} nats, what guessing costs."
            if math.isfinite(chance)
            else "",
            f"Crosses: {len(lost)} {'run' if len(lost) == 1 else 'runs'} diverged there."
            if len(lost)
            else "",
            f"The axes end a little above {HIGH:g} times the largest first loss." if cut else "",
            over.left_out(),
        ),
        _alt(data),
        data,
        command(NAME, records),
        _Drawing(data, over, chance, top if cut else math.inf),
    )


def _lost(records: Records) -> pd.DataFrame:
    """Where runs diverged, `run` and `step`: at their first loss that is none, of those watched."""
    runs, steps = records.runs, records.steps
    own = runs.loc[runs["status"] == "diverged", ["run", "diverged_step"]]
    own = own.rename(columns={"diverged_step": "step"})
    watched = runs.loc[runs["status"] == "watched", "run"]
    gone = steps.loc[steps["run"].isin(watched) & ~np.isfinite(steps["loss"]), ["run", "step"]]
    return pd.concat([own, gone.groupby("run", as_index=False)["step"].min()])


def thin(data: pd.DataFrame) -> pd.DataFrame:
    """At most about so many steps of each panel and series, the first and the last among them."""
    groups = data.groupby(["panel", "series"], observed=True)["step"]
    place, last = groups.cumcount(), groups.transform("size") - 1
    every = np.ceil((last + 1) / POINTS)
    early = place < POINTS / 4  # where steps are close to each other, on a logarithmic axis
    return data[(place % every == 0) | early | (place == last)].reset_index(drop=True)


def _alt(data: pd.DataFrame) -> str:
    lines = data.dropna(subset=["median"]).groupby(["panel", "series"], observed=True)
    first, last = lines["median"].first(), lines["median"].last()
    best, worst = last.idxmin(), last.idxmax()
    if len(last) == 1:
        return f"The loss goes from {_nats(first.iloc[0])} to {_nats(last.iloc[0])} nats."
    names = [
        " ".join(filter(None, map(str, cast("tuple[object, ...]", of)))) for of in (best, worst)
    ]
    return (
        f"Of {len(last)} settings the lowest last loss is {_nats(last.min())} nats, with "
        f"{names[0]}, and the highest {_nats(last.max())}, with {names[1]}."
    )


def _nats(loss: float) -> str:
    return f"{loss:.3f}" if loss < 1e4 else f"{loss:.2g}"


@dataclass(frozen=True)
class _Drawing(Drawing):
    data: pd.DataFrame
    over: Facets
    chance: float
    top: float

    def draw(self, theme: Theme) -> matplotlib.figure.Figure:
        series = self.over.series
        names = [name for name in series if name]
        count = len(self.over.panels)
        columns = count if count < 4 else 4
        top = layout.titled(self.over.panels, columns)
        room = layout.Room(left=0.6, top=top, down=top + 0.1)
        made = layout.panels(
            count, columns, height=1.5 if count > 1 else 2.2, room=room, legend=names
        )
        values = self.data[["median", "low", "high"]].to_numpy(dtype=float)
        shown = np.minimum(np.append(values, self.chance), self.top)
        low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
        for axes, panel in zip(made.flat, self.over.panels, strict=True):
            layout.step_axis(axes, float(self.data["step"].max()))
            if low > 0 and high > 20 * low:
                layout.log_axis(axes)
                axes.set_ylim(*layout.span(shown))
            else:
                room_ = 0.05 * max(high - low, 0.1)
                axes.set_ylim(low - room_, high + room_)
            layout.grid(axes, theme)
            axes.axhline(self.chance, color=theme.faint, ls=(0, (1, 2)), lw=1)
            for number, one in enumerate(series):
                mine = (self.data["panel"] == panel) & (self.data["series"] == one)
                _line(axes, self.data[mine], theme, number)
            layout.title(axes, panel)
        layout.labels(made, "step (logarithmic from 1 on)", "loss (nats)")
        if names:
            handles = [
                Line2D([], [], color=theme.colours[at], ls=DASHES[at], marker=MARKERS[at])
                for at, name in enumerate(series)
                if name
            ]
            layout.legend(made, handles, names)
        return made.figure


def _line(axes: Axes, of: pd.DataFrame, theme: Theme, number: int) -> None:
    """Of one setting, with crosses at the top where runs diverged."""
    colour, line = theme.colours[number], of.dropna(subset=["median"])
    if line.empty:
        return
    axes.plot(
        line["step"],
        line["median"],
        color=colour,
        ls=DASHES[number],
        marker=MARKERS[number],
        markevery=max(1, len(line) // 5),
    )
    axes.fill_between(line["step"], line["low"], line["high"], color=colour, alpha=0.22, lw=0)
    lost = of[of["median"].isna()]
    top = axes.get_ylim()[1]
    axes.plot(lost["step"], [top] * len(lost), ls="", marker="x", ms=5, color=colour, clip_on=False)
