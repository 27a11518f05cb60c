"""How fast the weights move: log10 of the update over the weight, matrix by matrix."""

from dataclasses import dataclass

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection

from analysis.figures import colours, layout
from analysis.figures.figure import Drawing, Figure, command, sentences, shown_of
from analysis.figures.groups import PANELS, by_setting, each, evenly
from analysis.figures.style import Theme
from analysis.tables import Records
from ninja.diagnosis.ranges import FAST, SLOW

NAME = "updates"
RATIO = -3.0
"""The lecture's rule of thumb: an update is a thousandth of the weight."""

MATRICES = 24
"""The most lines of a panel."""


def build(records: Records) -> Figure | None:
    """The figure; none where no update was seen."""
    layers = records.layers
    finite = np.isfinite(layers["update_ratio"].to_numpy())
    if not finite.any():
        return None
    seen = layers["run"].cat.categories[np.unique(layers["run"].cat.codes.to_numpy()[finite])]
    runs = records.runs[records.runs["run"].isin(seen)]
    named = pd.DataFrame({"run": runs["run"], "setting": by_setting(runs)})
    every = list(named["setting"].cat.categories)
    settings = evenly(every, PANELS)
    shown = named[named["setting"].isin(settings)]
    rows = layers.loc[
        finite & layers["run"].isin(shown["run"]).to_numpy(),
        ["run", "step", "layer", "node", "tensor", "update_ratio"],
    ]
    ranked = _ranked(rows)
    lines = sorted(ranked["matrix"].unique())
    kept = [int(of) for of in evenly([str(of) for of in lines], MATRICES)]
    ranked = ranked[ranked["matrix"].isin(kept)]
    data = each(shown, lambda runs: _medians(rows[rows["run"].isin(runs)], ranked))
    return Figure(
        NAME,
        "How fast each weight matrix moves",
        sentences(
            "log10 of the deviation of an update over that of the weights, against the step; a "
            "line is a matrix, from the input (dark) to the output (bright), and the median over "
            f"seeds and engines. About {RATIO:g} is the lecture's rule of thumb (dashed); "
            f"in the grey, below "
            f"{SLOW.low:g} or above {FAST.high:g}, training stalls or is unstable.".replace(
                " -", " −"
            ),
            shown_of(settings, every, "settings"),
            shown_of(kept, lines, "matrices"),
        ),
        _alt(data),
        data,
        command(NAME, records),
        _Drawing(data, settings),
    )


def _medians(rows: pd.DataFrame, ranked: pd.DataFrame) -> pd.DataFrame:
    """Over the runs of a setting: `matrix`, `step`, `median`, `runs`."""
    placed = rows.merge(ranked, on=["run", "node", "tensor"])
    found = placed.groupby(["matrix", "step"])["update_ratio"].agg(["median", "count"])
    return found.reset_index().rename(columns={"count": "runs"})


def _ranked(rows: pd.DataFrame) -> pd.DataFrame:
    """Each matrix's place from the input, from 1: `run`, `node`, `tensor`, `matrix`."""
    known = rows[["run", "layer", "node", "tensor"]].drop_duplicates()
    known = known.sort_values(["run", "layer", "node", "tensor"], kind="stable")
    known["matrix"] = known.groupby("run", observed=True).cumcount() + 1
    return known.drop(columns="layer")


def _alt(data: pd.DataFrame) -> str:
    last = data["step"] == data.groupby("setting", observed=True)["step"].transform("max")
    ends = data[last].groupby("setting", observed=True)["median"].median()
    slow, fast = ends.idxmin(), ends.idxmax()
    if len(ends) == 1:
        return f"The median matrix ends at {ends.iloc[0]:.2f}.".replace(" -", " −")
    return (
        f"The median matrix ends at {ends.min():.2f} with {slow}, the slowest of {len(ends)} "
        f"settings, and at {ends.max():.2f} with {fast}, the fastest."
    ).replace(" -", " −")


@dataclass(frozen=True)
class _Drawing(Drawing):
    data: pd.DataFrame
    settings: list[str]

    def draw(self, theme: Theme) -> matplotlib.figure.Figure:
        top = layout.titled(self.settings, min(4, len(self.settings)))
        room = layout.Room(left=0.6, right=colours.ROOM + 0.15, top=top, down=top + 0.1)
        made = layout.panels(len(self.settings), 4, height=1.35, room=room)
        values = self.data["median"]
        low, high = min(values.min(), RATIO) - 0.3, max(values.max(), RATIO) + 0.3
        last = float(self.data["step"].max())
        shades = colours.scale(1, float(self.data["matrix"].max()), theme)
        for axes, setting in zip(made.flat, self.settings, strict=True):
            layout.step_axis(axes, last)
            axes.set_ylim(low, high)
            if low < SLOW.low:
                axes.axhspan(low, SLOW.low, facecolor=theme.band, lw=0, zorder=0)
            if high > FAST.high:
                axes.axhspan(FAST.high, high, facecolor=theme.band, lw=0, zorder=0)
            axes.axhline(RATIO, color=theme.ink, ls=(0, (4, 3)), lw=0.9)
            of = self.data[self.data["setting"] == setting]
            matrix, points = of["matrix"].to_numpy(), of[["step", "median"]].to_numpy(dtype=float)
            starts = np.flatnonzero(np.diff(matrix)) + 1
            lines = np.split(points, starts)
            numbers = matrix[[0, *starts]].astype(float)
            axes.add_collection(LineCollection(lines, colors=shades.to_rgba(numbers), lw=1))
            if of["step"].nunique() == 1:  # a single look is no line
                axes.scatter(*points.T, s=12, c=shades.to_rgba(matrix.astype(float)))
            layout.title(axes, setting)
        top = int(self.data["matrix"].max())
        ticks = sorted({1.0, float((1 + top) // 2), float(top)})
        colours.bar(made, shades, "matrix, from the input", made.axes[0][0], ticks)
        layout.labels(made, "step (logarithmic from 1 on)", "log10 std(Δw)/std(w)")
        return made.figure
