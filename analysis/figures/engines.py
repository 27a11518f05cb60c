"""Runs by hand against the same runs by autograd, seed by seed."""

import math
from dataclasses import dataclass

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis.figures import layout
from analysis.figures.figure import Drawing, Figure, command, sentences, shown_of
from analysis.figures.groups import by_setting, evenly
from analysis.figures.style import Theme
from analysis.settings import setting, varying
from analysis.stats import difference
from analysis.tables import Records
from ninja.diagnosis.ranges import GAP

NAME = "engines"
AUTOGRAD = "autograd"
ROWS = 24
LINEAR = 1e-7
"""The axis of the losses is linear up to so many nats."""


def build(records: Records) -> Figure | None:
    """The figure; none where no run by hand has its like by autograd."""
    runs = records.runs
    if "backward" not in runs or not (runs["backward"] == AUTOGRAD).any():
        return None
    pairs = _pairs(runs)
    if pairs.empty:
        return None
    every = [of for of in pairs["setting"].cat.categories if (pairs["setting"] == of).any()]
    settings = evenly(every, ROWS)
    data = pairs[pairs["setting"].isin(settings)].reset_index(drop=True)
    means = {
        name: difference(list(of["autograd"]), list(of["by_hand"]), paired=True)
        for name, of in data.groupby("setting", observed=True)
    }
    data["mean"] = data["setting"].map({name: of.value for name, of in means.items()}).astype(float)
    for end in ("low", "high"):
        ends = {name: getattr(of, end) for name, of in means.items()}
        data[f"mean_{end}"] = data["setting"].map(ends).astype(float)
    return Figure(
        NAME,
        "By hand against autograd, seed by seed",
        sentences(
            "Left, validation loss of a run by hand less that of the same run by autograd, in "
            "nats: a circle is a pair of one seed, the diamond their mean with its 95 % interval; "
            "the axis is logarithmic beyond ±10⁻⁷. Right, "
            "the largest gap of the run's gradient from the other engine's, relative, no "
            "unit; dashed, "
            "where it is called wrong. Either is rounding where an engine is right; training may "
            "magnify it.",
            shown_of(settings, every, "settings"),
        ),
        _alt(data),
        data[
            [
                "setting",
                "seed",
                "engine",
                "by_hand",
                "autograd",
                "difference",
                "gap",
                "mean",
                "mean_low",
                "mean_high",
            ]
        ],
        command(NAME, records),
        _Drawing(data, settings),
    )


def _pairs(runs: pd.DataFrame) -> pd.DataFrame:
    """A row a run by hand that has its like."""
    ours = runs[runs["status"] != "watched"]
    keys = [key for key in varying(ours) if key not in ("backward", "seed")]
    called, pair = by_setting(ours), setting(ours, keys)
    ours = ours.assign(setting=called, pair=pair)
    by_hand = ours[ours["backward"] != AUTOGRAD]
    auto = ours.loc[ours["backward"] == AUTOGRAD, ["study", "pair", "seed", "loss_validation"]]
    auto = auto.drop_duplicates(["study", "pair", "seed"])
    found = by_hand.merge(auto, on=["study", "pair", "seed"], suffixes=("_hand", "_auto"))
    found = found.rename(
        columns={
            "loss_validation_hand": "by_hand",
            "loss_validation_auto": "autograd",
            "backward": "engine",
        }
    )
    found["difference"] = found["by_hand"] - found["autograd"]
    return found[np.isfinite(found["difference"])].sort_values(["setting", "seed"])


def _alt(data: pd.DataFrame) -> str:
    apart = data["difference"].abs()
    said = (
        f"Over {len(data)} pairs the losses differ by {apart.median():.2g} nats in the median and "
        f"{apart.max():.2g} at most ({data['setting'].iloc[int(apart.to_numpy().argmax())]})"
    )
    if data["gap"].notna().any():
        said += f"; the largest gap of a gradient is {data['gap'].max():.2g}"
    return said + "."


@dataclass(frozen=True)
class _Drawing(Drawing):
    data: pd.DataFrame
    settings: list[str]

    def draw(self, theme: Theme) -> matplotlib.figure.Figure:
        left = min(3.0, 0.35 + 0.062 * max(map(len, self.settings)))
        names = ["a seed", "mean over seeds, 95 %", "wrong beyond"]
        room = layout.Room(left=left, across=0.3)
        rows = len(self.settings)
        height = max(0.9, 0.2 * rows)
        has_gap = bool((self.data["gap"] > 0).any())
        made = layout.panels(
            1 + has_gap,
            2,
            height=height,
            room=room,
            legend=names if has_gap else names[:2],
            share=False,
        )
        place = self.data["setting"].map({name: at for at, name in enumerate(self.settings)})
        place = place.astype(int)
        for axes in made.flat:
            axes.set_ylim(rows - 0.4, -0.6)
            axes.set_yticks(range(rows), self.settings if axes is made.flat[0] else [])
            axes.grid(visible=True, axis="y", color=theme.faint, alpha=0.3, lw=0.3)
        _losses(made.flat[0], self.data, place, theme)
        if has_gap:
            right = made.flat[1]
            layout.log_axis(right, "x", 4)
            right.set_xlim(*layout.span(self.data["gap"], GAP.high * 5))
            right.axvline(GAP.high, color=theme.ink, ls=(0, (5, 3)), lw=0.9)
            right.plot(
                self.data["gap"].where(self.data["gap"] > 0),
                place,
                ls="",
                marker="o",
                mfc="none",
                color=theme.colours[0],
            )
            right.set_xlabel("largest gap (relative)")
        handles = [
            Line2D([], [], ls="", marker="o", mfc="none", color=theme.colours[0]),
            Line2D([], [], marker="D", color=theme.colours[1]),
            Line2D([], [], ls=(0, (5, 3)), color=theme.ink),
        ]
        layout.legend(made, handles[: 2 + has_gap], names[: 2 + has_gap])
        return made.figure


def _losses(axes: Axes, data: pd.DataFrame, place: pd.Series, theme: Theme) -> None:
    """Differences, with mean and interval of each setting."""
    axes.axvline(0, color=theme.faint, lw=0.8)
    axes.plot(data["difference"], place, ls="", marker="o", mfc="none", color=theme.colours[0])
    means = data.assign(at=place).drop_duplicates("setting")
    axes.hlines(means["at"], means["mean_low"], means["mean_high"], color=theme.colours[1], lw=1.2)
    axes.plot(means["mean"], means["at"], ls="", marker="D", color=theme.colours[1])
    most = float(data[["difference", "mean_low", "mean_high"]].abs().max().max())
    top = max(math.ceil(math.log10(max(most, LINEAR))), round(math.log10(LINEAR)) + 1)
    axes.set_xscale("symlog", linthresh=LINEAR, linscale=0.6)
    axes.set_xlim(-2 * 10.0**top, 2 * 10.0**top)
    near = round(math.log10(LINEAR)) + (1 if top - math.log10(LINEAR) < 3 else 2)
    powers = sorted({near, top}) if top - near > 1 else [top]
    ticks = [10.0**power for power in powers]
    axes.xaxis.set_major_locator(FixedLocator([*(-tick for tick in ticks), 0, *ticks]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _signed(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("loss by hand less by autograd (nats)")


def _signed(value: float) -> str:
    """A power of ten with its sign."""
    if value == 0:
        return "0"
    return ("−" if value < 0 else "") + layout.power(abs(value))
