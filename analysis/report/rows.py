"""The table of runs: its columns, and its rows as short as they can be told to a browser."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.report.axes import order
from analysis.settings import shown, varying
from analysis.tables import Records

KEYS = 8
"""Keys of the configuration that have a column; the others are told with a run's layers."""

ROWS = 20_000
"""The most that a page holds."""

DIGITS = 4
"""Of a loss; more than seeds agree to."""


@dataclass(frozen=True)
class Column:
    """One of the table.

    Attributes:
        name: of its values, such as "loss_validation".
        title: over it.
        about: what it is, with its unit; shown with the title.
        words: its different texts in their order; empty of numbers.
        values: a row each: places in `words`, or numbers; none where there is nothing.
    """

    name: str
    title: str
    about: str
    words: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def is_text(self) -> bool:
        """Whether its values are places in `words`."""
        return bool(self.words)

    def cell(self, row: int) -> str:
        """The text of a row."""
        value = self.values[row]
        if value is None:
            return ""
        return self.words[value] if self.is_text else number(value)


def number(value: float) -> str:
    """As the page shows it: with four digits, and a large or a small one by its power of ten."""
    if isinstance(value, int) or not value:
        return f"{value:.0f}"
    if not 1e-3 <= abs(value) < 10**DIGITS:
        return f"{value:.1e}"
    return f"{value:#.{DIGITS}g}".removesuffix(".")


def ordered(records: Records) -> pd.DataFrame:
    """The runs by study and by what differs between them, so that neighbours are alike."""
    runs = records.runs
    if runs.empty:
        return runs
    ranks = {"study": _ranks(runs["study"])}
    ranks |= {key: _ranks(runs[key].map(shown)) for key in varying(runs)}
    ranks["run"] = _ranks(runs["run"])
    places = pd.DataFrame(ranks).sort_values(list(ranks), kind="stable").index
    return runs.loc[places].reset_index(drop=True)


def _ranks(texts: pd.Series) -> np.ndarray[Any, Any]:
    words = sorted(texts.unique(), key=order)
    return texts.map({word: rank for rank, word in enumerate(words)}).to_numpy()


def columns(runs: pd.DataFrame) -> list[Column]:
    """Of these runs, in their order.

    Args:
        runs: rows of the table of runs.
    """
    found: list[Column] = []
    if runs["study"].nunique() > 1:
        found.append(_text("study", "study", "the folder of its study", runs["study"]))
    found.append(_text("run", "run", "the folder of the run", runs["run_id"]))
    found.append(_text("verdict", "verdict", "what is wrong, causes first", runs["verdict"]))
    for key in _keys(runs):
        about = f"{key}, a key of the configuration"
        found.append(_text(key, key, about, runs[key].map(shown, na_action="ignore")))
    if (runs["status"] != "done").any():
        found.append(_text("status", "status", "how it ended, or that it did not", runs["status"]))
    found += [
        _text("layer", "layer", "where the first finding is", runs["layer"]),
        _numbers("first_step", "since step", "where it was first seen", runs["first_step"]),
        _numbers("loss_train", "train loss", "nats, whole split", runs["loss_train"]),
        _numbers("loss_validation", "val. loss", "nats, whole split", runs["loss_validation"]),
        _numbers("gap", "largest gap", "by hand against autograd, relative", runs["gap"]),
        _text("fix", "fix", "what to change", runs["fix"]),
    ]
    return [column for column in found if any(value is not None for value in column.values)]


def _keys(runs: pd.DataFrame) -> list[str]:
    """What differs within a study, and not only between two; the seed last."""
    within = {key for _, of in runs.groupby("study", sort=False) for key in varying(of)}
    keys = [key for key in varying(runs) if key in within]
    return keys if len(keys) <= KEYS else [*keys[: KEYS - 1], keys[-1]]


def _text(name: str, title: str, about: str, values: pd.Series) -> Column:
    texts = ["" if value is None or value != value else str(value) for value in values]
    words = sorted({text for text in texts if text}, key=order)
    places = {word: place for place, word in enumerate(words)}
    return Column(name, title, about, tuple(words), tuple(places.get(text) for text in texts))


def _numbers(name: str, title: str, about: str, values: pd.Series) -> Column:
    found = tuple(_quantised(value) for value in values.tolist())
    return Column(name, title, about, (), found)


def _quantised(value: Any) -> Any:
    if value is pd.NA or value is None or not np.isfinite(value):
        return None
    return value if isinstance(value, int) else float(f"{value:.{DIGITS}g}")


def plain(found: Sequence[Column]) -> list[dict[str, Any]]:
    """As the script of the page reads them."""
    return [
        {
            "name": column.name,
            "title": column.title,
            "about": column.about,
            "words": list(column.words) if column.is_text else None,
            "whole": any(isinstance(value, int) for value in column.values),
            "values": list(column.values),
        }
        for column in found
    ]
