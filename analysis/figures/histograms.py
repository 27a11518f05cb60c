"""The lecture's histograms: activations, their gradients, and the weights' gradients."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pandas as pd

from analysis.figures import colours, layout
from analysis.figures.figure import Drawing, Figure, command, sentences
from analysis.figures.groups import by_setting, evenly
from analysis.figures.style import Theme
from analysis.kinds import kinds
from analysis.tables import Records
from ninja import durable, records
from ninja.errors import RecordError

NAME = "histograms"
RUNS, LINES = 3, 12
PARTS = {
    ("y", "value"): "activations",
    ("y", "delta"): "gradients of activations",
    ("", "delta"): "gradients of weights",
}


def build(found: Records) -> Figure | None:
    """The figure; none where no run has kept histograms."""
    tables: list[pd.DataFrame] = []
    shown: list[str] = []
    faults: list[str] = []
    for run, setting, folder in _representatives(found.runs):
        if len(shown) == RUNS:
            break
        try:
            rows = last(Path(folder))
        except RecordError as error:  # told in the caption: the others can be shown
            faults.append(str(error))
            continue
        if rows:
            step, plain = rows
            tables.append(_table(plain).assign(setting=setting, run=run, step=step))
            shown.append(setting)
    if not tables:
        return None
    data = pd.concat(tables, ignore_index=True)
    steps, settings = sorted(data["step"].unique()), by_setting(found.runs).nunique()
    told = f"{steps[0]:,}" + (f" to {steps[-1]:,}" if len(steps) > 1 else "")
    return Figure(
        NAME,
        "Where activations and gradients lie",
        sentences(
            f"How the elements of each layer's tensors are spread at the last look that kept it "
            f"(step {told}), one run a setting, settings with different verdicts first; a "
            f"line is a "
            "layer, from the first (dark) to the last (bright). Upwards the density, 1 over the "
            "unit of the axis below it, logarithmic; gradients are ∂loss/∂y and ∂loss/∂W.",
            f"Shown are {len(shown)} of {settings} settings." if len(shown) < settings else "",
            f"Left out: {'; '.join(faults)}." if faults else "",
        ),
        _alt(data),
        data[
            ["setting", "run", "step", "part", "layer", "node", "left", "right", "count", "density"]
        ],
        command(NAME, found),
        _Drawing(data, shown),
    )


def _representatives(runs: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """Run, setting and folder, one a setting: of every verdict first, then the others evenly."""
    named = runs.assign(setting=by_setting(runs), word=kinds(runs))
    firsts = named.sort_values(["setting", "run"], kind="stable").drop_duplicates("setting")
    by_verdict = firsts.drop_duplicates("word").head(RUNS)
    rest = firsts[~firsts["run"].isin(by_verdict["run"])]
    others = evenly([str(run) for run in rest["run"]], RUNS)
    chosen = firsts[firsts["run"].isin([*by_verdict["run"], *others])]
    first = chosen["run"].isin(by_verdict["run"])
    for row in pd.concat([chosen[first], chosen[~first]]).to_dict("records"):
        yield str(row["run"]), str(row["setting"]), str(row["folder"])


def last(folder: Path) -> tuple[int, list[Mapping[str, Any]]] | None:
    """The last histograms of a run that have counted anything, and their step; none without any.

    Raises:
        RecordError: they are damaged.
    """
    path = folder / records.LINES
    if not path.is_file():
        return None
    *lines, _ = durable.read(path).split(b"\n")
    for line in reversed(lines):
        if b'"histograms"' not in line:
            continue
        try:
            row = json.loads(line)
            kept: list[Mapping[str, Any]] = [
                {
                    "node": str(of["node"]),
                    "tensor": str(of["tensor"]),
                    "of": str(of["of"]),
                    "counts": np.asarray(of["counts"], dtype=float),
                    "edges": np.asarray(of["edges"], dtype=float),
                }
                for of in row["histograms"]
            ]
            step = int(row["step"])
            if any(len(of["edges"]) != len(of["counts"]) + 1 for of in kept):
                raise ValueError("other edges than counts")
        except (ValueError, KeyError, TypeError) as error:
            said = " ".join(str(error).split())
            raise RecordError(f"{str(path)!r}: damaged histograms ({said})") from None
        if any(of["counts"].sum() > 0 for of in kept):
            return step, kept
    return None


def _table(plain: list[Mapping[str, Any]]) -> pd.DataFrame:
    """A row a bin."""
    tables: list[pd.DataFrame] = []
    order: dict[str, list[str]] = {}
    for of in plain:
        tensor = "y" if of["tensor"] == "y" else ""
        part = PARTS[tensor, of["of"]]
        order.setdefault(part, []).append(f"{of['node']}.{of['tensor']}")
        counts, edges = of["counts"], of["edges"]
        widths = np.diff(edges)
        with np.errstate(divide="ignore", invalid="ignore"):
            density = counts / (counts.sum() * widths)
        tables.append(
            pd.DataFrame(
                {
                    "part": part,
                    "layer": len(order[part]),
                    "node": order[part][-1],
                    "left": edges[:-1],
                    "right": edges[1:],
                    "count": counts.astype(int),
                    "density": density,
                }
            )
        )
    whole = pd.concat(tables, ignore_index=True)
    kept = [
        whole[(whole["part"] == part) & whole["node"].isin(evenly(names, LINES))]
        for part, names in order.items()
    ]
    return pd.concat(kept, ignore_index=True)


def _alt(data: pd.DataFrame) -> str:
    """How wide the first and the last layer's gradients are, by their outermost counts."""
    said: list[str] = []
    of = data[(data["part"] == PARTS["y", "delta"]) & (data["count"] > 0)]
    if of.empty:
        of = data[(data["part"] == PARTS["", "delta"]) & (data["count"] > 0)]
    for setting, rows in of.groupby("setting", sort=False):
        reach = rows.assign(reach=rows[["left", "right"]].abs().max(axis=1))
        reach = reach.groupby("layer")["reach"].max()
        said.append(f"{setting}: from ±{reach.iloc[0]:.2g} to ±{reach.iloc[-1]:.2g}")
    if not said:
        return "No gradient was counted."
    part = of["part"].iloc[0]
    return f"Reach of the {part}, first layer to last: {'; '.join(said)}."


@dataclass(frozen=True)
class _Drawing(Drawing):
    data: pd.DataFrame
    settings: list[str]

    def draw(self, theme: Theme) -> matplotlib.figure.Figure:
        parts = [part for part in PARTS.values() if (self.data["part"] == part).any()]
        columns = len(parts)
        room = layout.Room(left=0.7, right=colours.ROOM + 0.1, across=0.5, down=0.62)
        made = layout.panels(
            columns * len(self.settings), columns, height=1.3, room=room, share=False
        )
        top = int(self.data["layer"].max())
        shades = colours.scale(1, top, theme)
        for row, setting in zip(made.axes, self.settings, strict=True):
            for axes, part in zip(row, parts, strict=True):
                of = self.data[(self.data["part"] == part) & (self.data["setting"] == setting)]
                positive = of.loc[of["count"] > 0, ["left", "right"]].abs().max(axis=1)
                reach = float(positive.max()) if len(positive) else 1.0
                layout.log_axis(axes, ticks=4)
                axes.set_ylim(*layout.span(of["density"]))
                axes.set_xlim(-reach * 1.02, reach * 1.02)
                near = _nice(reach)
                axes.set_xticks([-near, 0, near], [_number(at) for at in (-near, 0, near)])
                middle = ((of["left"] + of["right"]) / 2).to_numpy()
                density = of["density"].where(of["count"] > 0).to_numpy()
                layers = of["layer"].to_numpy()
                for layer in np.unique(layers):
                    mine = layers == layer
                    few = np.isfinite(density[mine]).sum() < 3
                    axes.plot(
                        middle[mine],
                        density[mine],
                        color=shades.to_rgba(np.array([layer], dtype=float))[0],
                        lw=0.9,
                        marker="." if few else None,
                    )
                if row is made.axes[-1]:
                    axes.set_xlabel(part)
            row[0].set_ylabel("density")
            layout.title(row[0], setting, row[-1])
        ticks = sorted({1.0, float((1 + top) // 2), float(top)})
        colours.bar(made, shades, "layer", made.axes[0][0], ticks)
        return made.figure


def _nice(reach: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that does not reach further."""
    power = 10.0 ** np.floor(np.log10(reach))
    return float(max(of for of in (1, 2, 5) if of * power <= reach * 1.0001) * power)


def _number(value: float) -> str:
    """Short, and without a mantissa where a power of ten says it."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:g}".replace("-", "−")
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}·{layout.power(10.0 ** int(exponent))}".replace("-", "−")
