"""The sweep at a glance: parallel coordinates from the settings to loss and verdict."""

from dataclasses import dataclass
from typing import Any

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from analysis.figures import layout
from analysis.figures.figure import Drawing, Figure, command, sentences, shown_of
from analysis.figures.groups import by_setting, evenly, short
from analysis.figures.style import DASHES, Theme, plain
from analysis.kinds import kinds
from analysis.palette import VERDICTS
from analysis.settings import apart, shown
from analysis.tables import Records

NAME = "grid"
AXES, LINES, TICKS = 6, 60, 9
LOSS = "loss_validation"
SICK = DASHES[1]


def build(records: Records) -> Figure | None:
    """The figure; none where only the seed differs, or nothing does."""
    runs = records.runs[records.runs["status"] != "watched"]
    if runs.empty:
        return None
    several = ["study"] if runs["study"].nunique() > 1 else []
    keys = [*several, *(key for key in apart(runs) if key != "seed")]
    if not keys:
        return None
    kept = keys[:AXES]
    of = runs.assign(
        verdict=kinds(runs),
        setting=by_setting(runs, without=("seed",)),
        loss=runs[LOSS].where(np.isfinite(runs[LOSS])),
    )
    lines = [str(one) for one in of["setting"].cat.categories]
    chosen = evenly(lines, LINES)
    of = of[of["setting"].isin(chosen)]
    firsts = of.drop_duplicates("setting").set_index("setting")
    groups = of.groupby("setting", observed=True)
    data = pd.DataFrame({"runs": groups.size(), "loss": groups["loss"].mean()})
    counts = of.groupby(["setting", "verdict"], observed=True).size().rename("n").reset_index()
    counts = counts.sort_values(["setting", "n", "verdict"], ascending=[True, False, True])
    data["verdict"] = counts.drop_duplicates("setting").set_index("setting")["verdict"]
    called = short(kept)
    order: dict[str, list[str]] = {}
    for key in kept:
        ranked = runs.sort_values("gain") if key == "init.gain" else runs
        if key != "init.gain" and pd.api.types.is_numeric_dtype(runs[key]):
            ranked = runs.sort_values(key)
        elif key != "init.gain":
            ranked = runs.assign(text=runs[key].astype(str)).sort_values("text")
        order[called[key]] = list(dict.fromkeys(ranked[key].map(shown).map(_short)))
        data[called[key]] = firsts[key].map(shown).map(_short)
    data = data.reset_index()[[*order, "setting", "runs", "loss", "verdict"]]
    lost = int(data["loss"].isna().sum())
    more = list(short(keys[AXES:]).values())
    return Figure(
        NAME,
        "All settings, from what was set to what came of it",
        sentences(
            "A line is a setting, over its seeds: through the values it was given to its mean "
            "validation loss in nats and its commonest verdict. Solid is healthy, dashed is not; "
            "colours are verdicts.",
            f"{lost} settings have no loss and end at the top." if lost else "",
            f"These differ too, but have no axis: {', '.join(more)}." if more else "",
            shown_of(chosen, lines, "settings"),
        ),
        _alt(data),
        data,
        command(NAME, records),
        _Drawing(data, order),
    )


def _short(value: str) -> str:
    return plain(value, 14)


def _alt(data: pd.DataFrame) -> str:
    known = data.dropna(subset=["loss"])
    if known.empty:
        return f"None of {len(data)} settings has a final loss."
    order = known.sort_values("loss", kind="stable")
    best, worst = order.iloc[0], order.iloc[-1]
    return (
        f"The best of {len(data)} settings is {best['setting']}, {best['loss']:.3f} nats and "
        f"{best['verdict']}; the worst is {worst['setting']}, {worst['loss']:.3f} nats and "
        f"{worst['verdict']}."
    )


@dataclass(frozen=True)
class _Drawing(Drawing):
    data: pd.DataFrame
    order: dict[str, list[str]]

    def draw(self, theme: Theme) -> matplotlib.figure.Figure:
        words = [word for word in VERDICTS if (self.data["verdict"] == word).any()]
        left = 0.5 + 0.066 * max(map(len, next(iter(self.order.values()))))
        room = layout.Room(left=left, right=1.2, top=0.35, bottom=0.2)
        made = layout.panels(1, 1, height=2.6, room=room, legend=words)
        (axes,) = made.flat
        axes.set_axis_off()
        names = [*self.order, "loss (nats)", "verdict"]
        axes.set_xlim(0, len(names) - 1)
        axes.set_ylim(-0.04, 1.04)
        points = np.column_stack(
            [
                *(self.spread(name, values) for name, values in self.order.items()),
                self.losses(axes, len(names) - 2, theme),
                self.places("verdict", words),
            ]
        )
        for at, (name, values) in enumerate([*self.order.items(), ("verdict", words)]):
            x = at if name != "verdict" else len(names) - 1
            for place, value in _ticks(values):
                beside, side = (0.05, "left") if name == "verdict" else (-0.05, "right")
                axes.text(x + beside, place, value, ha=side, va="center", **_on(theme))
        for at, name in enumerate(names):
            axes.axvline(at, color=theme.ink, lw=0.8, clip_on=False)
            axes.text(at, 1.08, plain(name, 18), ha="center", va="bottom")
        colours = _colours(theme)
        for word in words:
            mine = (self.data["verdict"] == word).to_numpy()
            segments = [np.column_stack([np.arange(len(names)), of]) for of in points[mine]]
            dashes = "-" if word == "healthy" else SICK
            axes.add_collection(
                LineCollection(
                    segments, colors=colours[word], linestyles=[dashes], lw=1, alpha=0.85
                )
            )
        handles = [
            Line2D([], [], color=colours[word], ls="-" if word == "healthy" else SICK)
            for word in words
        ]
        layout.legend(made, handles, words)
        return made.figure

    def places(self, column: str, values: list[str]) -> np.ndarray:
        """Where each line meets an axis of names."""
        return self.data[column].map(dict(zip(values, _even(len(values)), strict=True))).to_numpy()

    def spread(self, column: str, values: list[str]) -> np.ndarray:
        """The same, a little apart, so that lines through one value can be followed."""
        nudge = np.linspace(-1, 1, len(self.data)) if len(self.data) > 1 else np.zeros(1)
        return self.places(column, values) + nudge * min(0.03, 0.2 / len(values))

    def losses(self, axes: Axes, x: int, theme: Theme) -> np.ndarray:
        """Where each line meets the axis of the loss, and its numbers; without a loss, the top."""
        loss = self.data["loss"].to_numpy(dtype=float)
        finite = loss[np.isfinite(loss)]
        low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
        top = 0.9 if len(finite) < len(loss) else 1.0
        whole = high - low
        scaled = top * (loss - low) / whole if whole > 0 else np.full(len(loss), top / 2)
        ends = np.linspace(low, high, 5) if whole > 0 else [low]
        for value in ends if len(finite) else []:
            y = top * (value - low) / whole if whole > 0 else top / 2
            axes.text(x - 0.05, y, f"{value:.3g}", ha="right", va="center", **_on(theme))
        if top < 1:
            axes.text(x - 0.05, 1, "none", ha="right", va="center", **_on(theme))
        return np.where(np.isfinite(loss), scaled, 1.0)


def _even(count: int) -> np.ndarray:
    return np.linspace(0.02, 0.98, count) if count > 1 else np.array([0.5])


def _ticks(values: list[str]) -> list[tuple[float, str]]:
    """Places and words, as many as there is room for."""
    at = dict(zip(values, _even(len(values)), strict=True))
    return [
        (float(at[value]), value) for value in evenly(values, TICKS if len(values) > 14 else 14)
    ]


def _on(theme: Theme) -> dict[str, Any]:
    """Small, upon the lines, and with paper behind it."""
    behind = {"facecolor": theme.paper, "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
    return {"fontsize": 7, "zorder": 5, "bbox": behind}


def _colours(theme: Theme) -> dict[str, str]:
    """Verdicts' colours that are seen on this paper."""
    other = {
        "dead": "#b0b0b0",
        "vanishing": "#56a5e0",
        "unstable": "#c45a8a",
        "diverged": "#ff6a5e",
    }
    found = {word: colour.code for word, colour in VERDICTS.items()}
    if theme.name == "dark":
        return found | other
    return found | {"linear": "#a89400", "mismatch": "#9c8a2e", "unknown": "#8a8a8a"}
