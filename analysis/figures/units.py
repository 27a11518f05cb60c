"""Saturated and dead units, by layer and over time."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.ticker import FixedLocator

from analysis.figures import colours, layout
from analysis.figures.figure import Drawing, Figure, command, sentences, shown_of
from analysis.figures.groups import by_setting, each, evenly
from analysis.figures.layers import units
from analysis.figures.style import Theme
from analysis.tables import Records
from ninja.diagnosis.ranges import DEAD, SATURATED

NAME = "units"
COLUMNS = 5
SHARES = {"saturated": SATURATED, "dead": DEAD}
WORDS = {"saturated": "saturated elements", "dead": "dead units"}
LOOKS = 24


def build(records: Records) -> Figure | None:
    """The figure; none where no activation was looked at."""
    found = units(records.layers)
    kept = [name for name in SHARES if records.layers[name].notna().any()]
    if found.empty or not kept:
        return None
    looked = records.layers[kept].notna().any(axis=1) & (records.layers["tensor"] == "y")
    rows = records.layers.loc[looked, ["run", "step", "node", *kept]]
    found = found.loc[found["run"].isin(rows["run"].unique()), ["run", "node", "unit"]]
    runs = records.runs[records.runs["run"].isin(found["run"].unique())]
    named = pd.DataFrame({"run": runs["run"], "setting": by_setting(runs)})
    every = list(named["setting"].cat.categories)
    settings = evenly(every, COLUMNS)
    shown = named[named["setting"].isin(settings)]
    data = each(shown, lambda runs: _means(rows[rows["run"].isin(runs)], found, kept))
    by = ["share", "setting", "step", "layer"]
    data = _seen_by_most(data[[*by, "value", "runs"]].sort_values(by))
    return Figure(
        NAME,
        "Saturated and dead units, by layer and over time",
        sentences(
            "Upwards the hidden layers, to the right the steps that were looked at, which are not "
            "evenly apart; the colour is a share from 0 to 1, the mean over seeds and engines: of "
            "elements with |y| > 0.97 (saturated), or of units that no example of the batch sends "
            f"a gradient through (dead). The line in the bar: beyond {DEAD.high:g} a layer of dead "
            f"units is sick; beyond {SATURATED.high:g} saturated elements say that gates may be "
            "closed, and closed gates, units whose mean slope over the batch is nearly 0, are what "
            "a layer is called saturated for.",
            shown_of(settings, every, "settings"),
        ),
        _alt(data),
        data,
        command(NAME, records),
        _Drawing(data, settings, kept),
    )


def _means(rows: pd.DataFrame, found: pd.DataFrame, shares: Sequence[str]) -> pd.DataFrame:
    """Over the runs of a setting: `share`, `step`, `layer`, `value`, `runs`."""
    by = rows.merge(found, on=["run", "node"]).groupby(["step", "unit"])
    means = [by[share].agg(["mean", "count"]).assign(share=share).reset_index() for share in shares]
    data = pd.concat(means).rename(columns={"unit": "layer", "mean": "value", "count": "runs"})
    return data[data["runs"] > 0]


def _seen_by_most(data: pd.DataFrame) -> pd.DataFrame:
    """Without the looks that only a few runs of a setting have, and with so many at most."""
    most = data.groupby(["share", "setting"], observed=True)["runs"].transform("max")
    kept = data[data["runs"] * 2 >= most]
    place = kept.groupby(["share", "setting"], observed=True)["step"].rank(method="dense")
    every = np.ceil(
        place.groupby([kept["share"], kept["setting"]], observed=True).transform("max") / LOOKS
    )
    return kept[(place - 1) % every == 0].reset_index(drop=True)


def _alt(data: pd.DataFrame) -> str:
    said: list[str] = []
    for share, of in data.groupby("share", sort=False):
        worst = of.iloc[int(of["value"].to_numpy().argmax())]
        said.append(
            f"The largest share of {WORDS[str(share)]} is {worst['value']:.2f}, in layer "
            f"{worst['layer']} at step {worst['step']:,} ({worst['setting']})."
        )
    return " ".join(said)


@dataclass(frozen=True)
class _Drawing(Drawing):
    data: pd.DataFrame
    settings: list[str]
    shares: list[str]

    def draw(self, theme: Theme) -> matplotlib.figure.Figure:
        columns = len(self.settings)
        top = layout.titled(self.settings, columns)
        room = layout.Room(left=0.75, right=colours.ROOM + 0.15, top=top, down=0.35, across=0.24)
        height = 1.2 if columns > 1 else 1.8
        made = layout.panels(
            columns * len(self.shares), columns, height=height, room=room, share=False
        )
        shades = colours.scale(0, 1, theme)
        for row, share in zip(made.axes, self.shares, strict=True):
            here = self.data[self.data["share"] == share]
            before = None
            for axes, setting in zip(row, self.settings, strict=True):
                of = here[here["setting"] == setting]
                if row is made.axes[0]:
                    layout.title(axes, setting)
                if of.empty:
                    axes.text(0.5, 0.5, "not seen", ha="center", transform=axes.transAxes)
                    layout.blank(axes)
                    continue
                cells = of.pivot(index="layer", columns="step", values="value")
                steps, layers = list(map(int, cells.columns)), list(map(int, cells.index))
                axes.imshow(
                    cells.to_numpy(dtype=float),
                    origin="lower",
                    aspect="auto",
                    interpolation="none",
                    cmap=shades.cmap,
                    norm=Normalize(0, 1),
                    extent=(0, len(steps), layers[0] - 0.5, layers[-1] + 0.5),
                )
                _steps(axes, steps)
                layout.whole_axis(axes.yaxis, max(layers))
                axes.tick_params(labelleft=max(layers) != before)  # as the axis to the left of it
                before = max(layers)
            row[0].set_ylabel(f"{WORDS[share]}\nhidden layer")
            bar = colours.bar(made, shades, "share", row[0], [0, 0.25, 0.5, 0.75, 1])
            bar.axhline(SHARES[share].high, color=theme.ink, lw=1.2)
        layout.below(made, "step")
        return made.figure


def _steps(axes: Axes, steps: Sequence[int]) -> None:
    """A few of the steps below their columns."""
    fits = max(2, int(axes.get_position().width * layout.WIDTH / 0.42))
    at = range(0, len(steps), max(1, -(-len(steps) // fits)))
    axes.xaxis.set_major_locator(FixedLocator([place + 0.5 for place in at]))
    axes.set_xticklabels([layout.count(steps[place]) for place in at])
