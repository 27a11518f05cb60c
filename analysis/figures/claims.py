"""What the studies claim against what they measured."""

from dataclasses import dataclass

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures import layout
from analysis.figures.figure import Drawing, Figure
from analysis.figures.style import Theme
from analysis.tables import Records
from experiments import cache

NAME = "claims"
REACH = 1.6
"""Tolerances from the middle to the edge; what lies beyond is drawn at it."""


def build(_: Records) -> Figure | None:
    """The figure; none where no study was measured with the code as it is now."""
    if not cache.files():
        return None  # and the code that judges is not loaded
    data = judged()
    if data.empty:
        return None
    failed = data[~data["passed"]]
    return Figure(
        NAME,
        "What is claimed of gradients, against what was measured",
        "A mark is a claim: the mean of what was measured less what is predicted, over the "
        "tolerance that the claim allows; no unit. In the grey a claim passes. Claims that were "
        "measured in full are preferred to quick ones.",
        _alt(data, failed),
        data,
        f"python -m analysis figure {NAME} outputs",
        _Drawing(data),
    )


def judged() -> pd.DataFrame:
    """A row a claim that was measured: study, claim, predicted, measured, tolerance, passed."""
    from experiments.reproduce import kept

    rows: list[dict[str, object]] = []
    for name, judged in kept():
        for one in judged:
            allowed = one.within.distance(one.claim.predicted)
            apart = one.mean - one.claim.predicted
            rows.append(
                {
                    "study": name,
                    "claim": one.claim.quantity,
                    "predicted": one.claim.predicted,
                    "measured": one.mean,
                    "deviation": one.deviation,
                    "tolerance": allowed,
                    "in_tolerances": apart / allowed
                    if allowed
                    else np.sign(apart) * np.inf
                    if apart
                    else 0.0,
                    "quick": one.quick,
                    "passed": one.passed,
                }
            )
    return pd.DataFrame(rows)


def _alt(data: pd.DataFrame, failed: pd.DataFrame) -> str:
    studies = data["study"].nunique()
    said = f"{len(data) - len(failed)} of {len(data)} claims of {studies} studies pass"
    finite = data["in_tolerances"].abs()
    said += f"; half of them lie within {finite.median():.2g} of their tolerance"
    if len(failed):
        said += f"; what fails: {', '.join(failed['claim'].head(3))}"
    return said + "."


@dataclass(frozen=True)
class _Drawing(Drawing):
    data: pd.DataFrame

    def draw(self, theme: Theme) -> matplotlib.figure.Figure:
        studies = list(dict.fromkeys(self.data["study"]))
        room = layout.Room(left=0.4 + 0.066 * max(map(len, studies)))
        names = ["passes", "fails", "within the tolerance"]
        made = layout.panels(1, 1, height=max(0.7, 0.23 * len(studies)), room=room, legend=names)
        (axes,) = made.flat
        axes.axvspan(-1, 1, facecolor=theme.band, lw=0, zorder=0)
        axes.axvline(0, color=theme.ink, lw=0.8)
        place = self.data["study"].map({name: at for at, name in enumerate(studies)})
        number = self.data.groupby("study").cumcount()
        many = self.data.groupby("study")["study"].transform("size")
        y = place + (number + 0.5) / many * 0.6 - 0.3
        x = self.data["in_tolerances"].clip(-REACH, REACH).fillna(REACH)
        passed = self.data["passed"].to_numpy(dtype=bool)
        for mine, colour, marker in (
            (passed, theme.colours[0], "o"),
            (~passed, theme.colours[1], "X"),
        ):
            axes.plot(x[mine], y[mine], ls="", marker=marker, ms=4, color=colour, mew=0.4)
        axes.set_xlim(-REACH * 1.04, REACH * 1.04)
        axes.set_ylim(len(studies) - 0.45, -0.55)
        axes.set_yticks(range(len(studies)), studies)
        axes.grid(visible=True, axis="y", color=theme.faint, alpha=0.3, lw=0.3)
        axes.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1", "−½", "0", "½", "1"])
        axes.set_xlabel("measured less predicted, in tolerances")
        handles: list[Line2D | Patch] = [
            Line2D([], [], ls="", marker="o", color=theme.colours[0]),
            Line2D([], [], ls="", marker="X", color=theme.colours[1]),
            Patch(facecolor=theme.band),
        ]
        layout.legend(made, handles, names)
        return made.figure
