"""How the gradient changes from layer to layer: the delta profile, the theory, the norms."""

from dataclasses import dataclass

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures import layout
from analysis.figures.figure import Drawing, Figure, command, sentences
from analysis.figures.groups import Facets, band, facets
from analysis.figures.layers import deltas, ends, gradients, looked, units
from analysis.figures.style import DASHES, MARKERS, Theme
from analysis.figures.theory import predicted
from analysis.tables import Records
from ninja.diagnosis.ranges import PROFILE

NAME = "profile"
COLUMNS, LINES = 6, 4
DELTA, NORM = "delta, relative to the last hidden layer's", "norm of the weights' gradient"
LOOKS = ("first look", "last look")
BY = ["quantity", "panel", "series", "look", "layer"]


def build(records: Records) -> Figure | None:
    """The figure; none where no run has the deltas of two hidden layers."""
    found = units(records.layers)
    if found.empty:
        return None
    near = looked(records.layers)
    profile = ends(deltas(near, found), "delta")
    deep = profile.groupby("run", observed=True)["unit"].max()
    runs = records.runs[records.runs["run"].isin(deep.index[deep > 1])]
    if runs.empty:
        return None
    over = facets(runs, COLUMNS, LINES)
    norms = ends(gradients(near, found), "norm")
    profile = profile.assign(quantity=DELTA, value=profile["relative"])
    norms = norms.assign(quantity=NORM, value=norms["norm"])
    rows = pd.concat([profile, norms]).rename(columns={"unit": "layer"})
    rows = rows.merge(over.of, on="run")
    data = band(rows, BY, "value")
    theory, why = _theory(runs, over)
    data = pd.concat([data, theory], ignore_index=True)
    zeros = int((rows["value"] == 0).sum())
    return Figure(
        NAME,
        "The gradient from the last hidden layer back to the first",
        _caption(over, why, zeros, has_theory=not theory.empty),
        _alt(data),
        data,
        command(NAME, records),
        _Drawing(data, over),
    )


def _theory(runs: pd.DataFrame, over: Facets) -> tuple[pd.DataFrame, str]:
    """The predicted profile of each panel and series, and where there is none, or a poor one."""
    first = over.of.drop_duplicates(["panel", "series"])
    rows: list[pd.DataFrame] = []
    said: dict[str, list[str]] = {}
    keyed = runs.set_index("run")
    for one in first.to_dict("records"):
        found = predicted({str(key): value for key, value in keyed.loc[one["run"]].items()})
        place = " ".join(part for part in (one["panel"], one["series"]) if part)
        if isinstance(found, str):
            said.setdefault(f"no theory, as {found}", []).append(place)
            continue
        for caveat in found.caveats:
            said.setdefault(caveat, []).append(place)
        rows.append(
            pd.DataFrame(
                {
                    "quantity": DELTA,
                    "panel": one["panel"],
                    "series": one["series"],
                    "look": "theory",
                    "layer": [of.layer for of in found.layers],
                    "median": [10**of.delta for of in found.layers],
                }
            )
        )
    told = "; ".join(f"{_where(places, len(first))}: {what}" for what, places in said.items())
    table = pd.concat(rows) if rows else pd.DataFrame(columns=[*BY, "median"])
    return table, told


def _where(places: list[str], every: int) -> str:
    if len(places) == every:
        return "everywhere" if every > 1 else places[0]
    return ", ".join(places[:2]) + (f" and {len(places) - 2} more" if len(places) > 2 else "")


def _caption(over: Facets, why: str, zeros: int, *, has_theory: bool) -> str:
    above, below = ("Above", "below") if len(over.panels) > 1 else ("Left", "right")
    return sentences(
        f"{above}, the RMS of ∂loss/∂(pre-activation) of each hidden layer over the last one's"
        + (
            ", with what mean-field theory predicts at the first step (open squares);"
            if has_theory
            else ";"
        )
        + f" {below}, the L2 norm of the gradient of its weights. Lines are medians over seeds and "
        "engines, bands reach from the least to the greatest; a layer in the grey is, against the "
        f"last, more than 10^{PROFILE.high:g} times as large (exploding) or less than "
        f"10^{PROFILE.low:g} times (vanishing).".replace("-", "−"),
        f"On the theory: {why}." if why else "",
        f"{zeros} values are exactly 0, and have no place on a logarithmic axis." if zeros else "",
        over.left_out(),
    )


def _alt(data: pd.DataFrame) -> str:
    """The first layer's profile, of the extremes."""
    at = data[(data["quantity"] == DELTA) & (data["look"] == LOOKS[0]) & (data["layer"] == 1)]
    at = at.sort_values("median")
    if at.empty:
        return "No delta is finite."
    logs = np.log10(at["median"].to_numpy(dtype=float).clip(1e-300))
    outside = [PROFILE.finding(float(value)) for value in logs]
    low, high = at.iloc[0], at.iloc[-1]
    names = [" ".join(part for part in (of["panel"], of["series"]) if part) for of in (low, high)]
    told = (
        f"At the first look the first hidden layer's delta is {low['median']:.3g} times the last's"
    )
    if len(at) > 1:
        told += f" with {names[0]}, the least, and {high['median']:.3g} times with {names[1]}"
    return (
        f"{told}; {outside.count('vanishing')} of {len(at)} settings vanish, "
        f"{outside.count('exploding')} explode."
    )


@dataclass(frozen=True)
class _Drawing(Drawing):
    data: pd.DataFrame
    over: Facets

    def draw(self, theme: Theme) -> matplotlib.figure.Figure:
        handles, names = self.legend(theme)
        columns = len(self.over.panels)
        top = layout.titled(self.over.panels, columns)
        room = layout.Room(left=0.8, down=0.5, top=top)
        if columns == 1:
            room = layout.Room(left=0.8, across=0.75)
        made = layout.panels(
            2 * columns, max(columns, 2), height=1.55, room=room, legend=names, share=False
        )
        last = int(self.data["layer"].max())
        for quantity, row in ((DELTA, made.flat[:columns]), (NORM, made.flat[columns:])):
            of = self.data[self.data["quantity"] == quantity]
            thresholds = (10**PROFILE.low / 3, 10**PROFILE.high * 3) if quantity == DELTA else ()
            low, high = layout.span(of[["median", "low", "high"]], *thresholds)
            for number, (panel, axes) in enumerate(zip(self.over.panels, row, strict=True)):
                layout.log_axis(axes)
                layout.depth_axis(axes, last)
                axes.set_ylim(low, high)
                if quantity == DELTA:
                    _regions(axes, theme)
                layout.grid(axes, theme)
                self.lines(axes, of[of["panel"] == panel], theme)
                if quantity == DELTA or columns == 1:
                    layout.title(axes, panel)
                axes.set_xlabel("hidden layer")
                if number:
                    axes.tick_params(labelleft=False)
            row[0].set_ylabel(
                "RMS of the delta\nover the last's" if quantity == DELTA else "‖∂loss/∂W‖"
            )
        layout.legend(made, handles, names)
        return made.figure

    def lines(self, axes: Axes, of: pd.DataFrame, theme: Theme) -> None:
        """Of one panel."""
        for number, series in enumerate(self.over.series):
            colour, marker = theme.colours[number], MARKERS[number]
            mine = of[of["series"] == series]
            every = max(1, int(self.data["layer"].max()) // 8)
            for look in LOOKS:
                line = mine[mine["look"] == look]
                x, y = line["layer"], line["median"].where(line["median"] > 0)
                first = look == LOOKS[0]
                dashes = DASHES[0] if first else DASHES[1]
                axes.plot(
                    x,
                    y,
                    color=colour,
                    ls=dashes,
                    marker=marker,
                    markevery=every,
                    lw=1.3 if first else 0.9,
                )
                if (line["runs"] > 1).any():
                    axes.fill_between(x, line["low"], line["high"], color=colour, alpha=0.22, lw=0)
            theory = mine[mine["look"] == "theory"]
            axes.plot(
                theory["layer"],
                theory["median"],
                ls="",
                marker="s",
                markevery=every,
                ms=6,
                mfc="none",
                mec=colour,
                mew=0.8,
            )

    def legend(self, theme: Theme) -> tuple[list[Line2D | Patch], list[str]]:
        """Handles and names."""
        named = [series for series in self.over.series if series]
        handles: list[Line2D | Patch] = [
            Line2D([], [], color=theme.colours[number], marker=MARKERS[number])
            for number, series in enumerate(self.over.series)
            if series
        ]
        looks = [look for look in LOOKS if (self.data["look"] == look).any()]
        for look in looks:
            dashes = DASHES[LOOKS.index(look)]
            handles.append(Line2D([], [], color=theme.ink, ls=dashes, lw=1))
        names = [*named, *looks]
        if (self.data["look"] == "theory").any():
            handles.append(Line2D([], [], color=theme.ink, ls="", marker="s", ms=6, mfc="none"))
            names.append("theory, first step")
        handles.append(Patch(facecolor=theme.band))
        return handles, [*names, "exploding (top), vanishing (bottom)"]


def _regions(axes: Axes, theme: Theme) -> None:
    """Shaded where a first layer would vanish or explode."""
    low, high = axes.get_ylim()
    for start, end in ((low, 10**PROFILE.low), (10**PROFILE.high, high)):
        axes.axhspan(start, end, facecolor=theme.band, lw=0, zorder=0)
