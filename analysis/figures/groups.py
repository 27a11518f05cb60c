"""Runs that are one setting, and how settings are spread over panels and series."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.figures.style import plain
from analysis.settings import apart, setting

POOLED = ("seed", "backward")
"""Keys whose runs are drawn as one line and its band: engines agree, as `engines` shows."""

PANELS = 12
"""The most that a figure has."""


@dataclass(frozen=True)
class Facets:
    """Runs over panels, and within each over series.

    Attributes:
        of: a row a run that is shown: `run`, `panel`, `series`.
        panels: in their order.
        series: in theirs.
        every_panel: those that are not shown, too.
        every_series: the same.
    """

    of: pd.DataFrame
    panels: list[str]
    series: list[str]
    every_panel: list[str]
    every_series: list[str]

    def left_out(self, panels: str = "panels", series: str = "lines a panel") -> str:
        """A sentence of what is not shown, in these words; nothing if all is."""
        said: list[str] = []
        for shown, every, what in (
            (self.panels, self.every_panel, panels),
            (self.series, self.every_series, series),
        ):
            if len(shown) < len(every):
                said.append(f"{len(shown)} of {len(every)} {what}")
        return f"Shown are {' and '.join(said)}, evenly chosen." if said else ""


def evenly(items: Sequence[str], most: int) -> list[str]:
    """At most so many, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    at = np.linspace(0, len(items) - 1, most).round().astype(int)
    return [items[int(place)] for place in at]


def by_setting(runs: pd.DataFrame, without: Collection[str] = POOLED) -> pd.Series:
    """What each run is called without seed and engine, a category in the order of the values."""
    texts = _texts(runs)
    order: list[str] = []
    for study, of in _studies(runs):
        names = [key for key in apart(of) if key not in without]
        made = _prefixed(runs, str(study), of, _text(of, names))
        texts[of.index] = made
        order += list(dict.fromkeys(made[_sorted(of, names)]))
    return texts.astype(pd.CategoricalDtype(list(dict.fromkeys(order))))


def each(
    settings: pd.DataFrame, summary: Callable[[Collection[str]], pd.DataFrame]
) -> pd.DataFrame:
    """A summary of the runs of each setting in turn: all rows at once would be held several times.

    Args:
        settings: `run` and `setting`, a category.
        summary: of these runs.

    Returns:
        All of them, in the order of the settings; `setting` is a category.
    """
    made = {
        str(setting): summary(list(of["run"]))
        for setting, of in settings.groupby("setting", observed=True)
    }
    whole = pd.concat(made, names=["setting"]).reset_index("setting")
    return whole.astype({"setting": settings["setting"].dtype}).reset_index(drop=True)


def facets(runs: pd.DataFrame, most: int = PANELS, lines: int = 6) -> Facets:
    """Panels by gain, or by whatever differs first; series by what else differs.

    Args:
        runs: the table.
        most: panels.
        lines: series within a panel.
    """
    panel, series = _texts(runs), _texts(runs)
    panels: list[str] = []
    lines_: list[str] = []
    for study, of in _studies(runs):
        names = [key for key in apart(of) if key not in POOLED]
        order = _sorted(of, names)
        first = _prefixed(runs, str(study), of, _text(of, names[:1]))
        rest = _text(of, names[1:])
        panel[of.index], series[of.index] = first, rest
        panels += list(dict.fromkeys(first[order]))
        lines_ += list(dict.fromkeys(rest[_sorted(of, [*names[1:], *names[:1]])]))
    every, kinds = list(dict.fromkeys(panels)), list(dict.fromkeys(lines_))
    shown, few = evenly(every, most), evenly(kinds, lines)
    table = pd.DataFrame({"run": runs["run"], "panel": panel, "series": series})
    table = table[table["panel"].isin(shown) & table["series"].isin(few)]
    shown = [one for one in shown if (table["panel"] == one).any()]
    few = [one for one in few if (table["series"] == one).any()]
    return Facets(
        table.astype({"panel": pd.CategoricalDtype(shown), "series": pd.CategoricalDtype(few)}),
        shown,
        few,
        every,
        kinds,
    )


def _texts(runs: pd.DataFrame) -> pd.Series:
    return pd.Series("", index=runs.index, dtype="str")


def _studies(runs: pd.DataFrame) -> list[tuple[object, pd.DataFrame]]:
    return list(runs.groupby("study", sort=True))


def short(names: Sequence[str]) -> dict[str, str]:
    """Keys without their groups, as far as they stay different: gain, norm, lr."""
    tails = {key: _tail(key) for key in names}
    return {
        key: tail if list(tails.values()).count(tail) == 1 else key for key, tail in tails.items()
    }


def _tail(key: str) -> str:
    *groups, last = key.split(".")
    return groups[-1] if groups and last == "name" else last


def _text(of: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """What each run is called by these keys, such as gain=0.5 norm=none.

    It is cut to a length, but never so that two settings would be one.
    """
    called = short(names)
    whole = setting(of[list(names)].rename(columns=called), [called[key] for key in names])
    cut = whole.map(plain)
    if cut.nunique() == whole.nunique():
        return cut
    return whole.map(lambda name: plain(name, len(str(name))))


def _prefixed(runs: pd.DataFrame, study: str, of: pd.DataFrame, texts: pd.Series) -> pd.Series:
    """With the study, where there are several; a watched training has nothing but its name."""
    if runs["study"].nunique() > 1:
        texts = texts.where(texts == "", plain(study, 24) + ": " + texts)
    texts = texts.where(texts != "", plain(study))
    watched = of["status"] == "watched"
    return texts.where(~watched, of["run"].map(plain))


def _sorted(of: pd.DataFrame, names: Sequence[str]) -> pd.Index:
    """The runs in the order of these keys' values, a gain by its number."""
    keys = ["gain" if key == "init.gain" else key for key in names]
    if not keys:
        return of.index
    values = of[keys].copy()
    for key in keys:
        if not pd.api.types.is_numeric_dtype(values[key]):
            values[key] = values[key].astype(str)
    return values.sort_values(keys, kind="stable").index


def band(values: pd.DataFrame, by: Sequence[str], of: str) -> pd.DataFrame:
    """Median, least and greatest, and of how many runs, of each group; what is not finite is out.

    Args:
        values: a row a value, with `run`.
        by: columns of the groups.
        of: the column of the values.
    """
    kept = values[np.isfinite(values[of].to_numpy(dtype=float))]
    grouped = kept.groupby(list(by), observed=True, sort=True)[of]
    found = grouped.agg(["median", "min", "max", "count"]).reset_index()
    return found.rename(columns={"min": "low", "max": "high", "count": "runs"})
