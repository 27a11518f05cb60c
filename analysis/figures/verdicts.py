"""What is wrong with which setting: a map of the verdicts over the grid."""

from dataclasses import dataclass
from textwrap import wrap

import matplotlib.figure
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from analysis.figures import layout
from analysis.figures.figure import Drawing, Figure, command, sentences
from analysis.figures.groups import Facets, facets
from analysis.figures.style import Theme, on
from analysis.kinds import kinds
from analysis.palette import VERDICTS
from analysis.tables import Records

NAME = "verdicts"
ROWS, COLUMNS = 24, 6
ROW = 0.34
"""Height of a cell, in inches."""


def build(records: Records) -> Figure | None:
    """The figure; none of a single setting, which needs no map."""
    if records.runs.empty:
        return None
    over = facets(records.runs, ROWS, COLUMNS)
    if len(over.every_panel) * len(over.every_series) < 2:
        return None
    data = _cells(records.runs, over)
    return Figure(
        NAME,
        "What is wrong with each setting",
        sentences(
            "Each cell is a setting: the commonest verdict of its runs, over seeds and engines, "
            "and how many of them have it; of equally common ones, one that is not healthy. "
            "A run is called by its first finding, the cause of the "
            "others.",
            over.left_out("rows", "columns"),
        ),
        _alt(data),
        data,
        command(NAME, records),
        _Drawing(data, over),
    )


def _cells(runs: pd.DataFrame, over: Facets) -> pd.DataFrame:
    """A row a setting: its commonest verdict; of two, the one that is not healthy."""
    called = over.of.merge(pd.DataFrame({"run": runs["run"], "verdict": kinds(runs)}), on="run")
    counts = called.groupby(["panel", "series", "verdict"], observed=True).size()
    counts = counts.rename("runs").reset_index()
    counts["of"] = counts.groupby(["panel", "series"], observed=True)["runs"].transform("sum")
    rank = {word: place for place, word in enumerate(VERDICTS)}
    counts["rank"] = counts["verdict"].map(rank).replace(0, len(rank))
    order = counts.sort_values(
        ["panel", "series", "runs", "rank"], ascending=[True, True, False, True], kind="stable"
    )
    cells = order.drop_duplicates(["panel", "series"])
    return cells[["panel", "series", "verdict", "runs", "of"]].reset_index(drop=True)


def _alt(cells: pd.DataFrame) -> str:
    told = cells["verdict"].value_counts()
    order = sorted(told.items(), key=lambda item: (-int(item[1]), str(item[0])))
    shares = ", ".join(f"{number} {word}" for word, number in order)
    mixed = int((cells["runs"] < cells["of"]).sum())
    return sentences(
        f"Of {len(cells)} settings: {shares}.",
        f"In {mixed} of them the runs differ." if mixed else "All runs of a setting agree.",
    )


@dataclass(frozen=True)
class _Drawing(Drawing):
    data: pd.DataFrame
    over: Facets

    def draw(self, theme: Theme) -> matplotlib.figure.Figure:
        rows, columns = self.over.panels, self.over.series
        left = min(3.2, 0.3 + 0.068 * max(map(len, rows)))
        wide = min(2.2, (layout.WIDTH - left - 0.3) / len(columns))
        heads = [_head(name, max(8, int(wide / 0.072))) for name in columns]
        room = layout.Room(
            left=left,
            right=layout.WIDTH - left - wide * len(columns),
            top=0.2 + 0.15 * max(map(len, heads)),
            bottom=0.15,
        )
        made = layout.panels(1, 1, height=ROW * len(rows), room=room)
        (axes,) = made.flat
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_xlim(0, len(columns))
        axes.set_ylim(len(rows), 0)
        axes.xaxis.tick_top()
        axes.set_xticks(
            [at + 0.5 for at in range(len(columns))], ["\n".join(head) for head in heads]
        )
        axes.set_yticks([at + 0.5 for at in range(len(rows))], rows)
        axes.tick_params(length=0)
        for cell in self.data.to_dict("records"):
            at = columns.index(cell["series"]), rows.index(cell["panel"])
            _cell(axes, at, cell["verdict"], f"{cell['runs']} of {cell['of']}", wide, theme)
        return made.figure


def _head(name: str, room: int) -> list[str]:
    """In lines of so many letters; a key and a value that are longer part at the "="."""
    parted = (word if len(word) <= room else word.replace("=", "= ") for word in name.split())
    return wrap(" ".join(parted), room)


def _cell(axes: Axes, at: tuple[int, int], word: str, told: str, wide: float, theme: Theme) -> None:
    colour = VERDICTS[word].code
    axes.add_patch(Rectangle(at, 1, 1, facecolor=colour, edgecolor=theme.paper, linewidth=1.5))
    line = f"{word} {told}" if wide > 1.3 else f"{word}\n{told}"
    axes.text(
        at[0] + 0.5, at[1] + 0.5, line, ha="center", va="center", color=on(colour), fontsize=7
    )
