"""All that the report shows, as plain values; templates only lay it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from analysis.kinds import kinds
from analysis.report import rows as tables
from analysis.report.answer import Answer, plural
from analysis.report.claims import Claims
from analysis.report.details import details
from analysis.report.pictures import Picture
from analysis.report.provenance import theirs
from analysis.report.rows import Column
from analysis.report.versions import ours
from analysis.tables import Records

LIMIT = 5_000_000
"""Bytes of a page."""

FRAME = 250_000
"""Of these, what is kept for the words around figures and tables."""

FIRST = 100
"""Rows of the table that are shown at a time, and without a script."""


@dataclass(frozen=True)
class Page:
    """The report.

    Attributes:
        answer: the headline.
        places: what was read, as it was typed.
        command: what makes the report again.
        pictures: the evidence.
        columns: of the table of runs.
        kinds: of each row "healthy", "unknown" or a class of findings.
        rows: how many the table has.
        left_out: how many it has not; the file beside the page has them.
        detailed: how many rows open.
        script: the table and what its rows open, JSON for the page's script.
        claims: none if no study was measured.
        skipped: what could not be read, a line each.
        theirs: versions of what computed the runs.
        ours: versions of what made the report.
    """

    answer: Answer
    places: tuple[str, ...]
    command: str
    pictures: tuple[Picture, ...]
    columns: tuple[Column, ...]
    kinds: tuple[str, ...]
    rows: int
    left_out: int
    detailed: int
    script: str
    claims: Claims | None
    skipped: tuple[str, ...]
    theirs: dict[str, str]
    ours: dict[str, str]


def page(
    records: Records,
    answer: Answer,
    pictures: Sequence[Picture],
    claims: Claims | None,
    places: Sequence[str | Path],
) -> Page:
    """Collect it, within the size that a page may have."""
    runs = tables.ordered(records)
    shown = runs.head(tables.ROWS)
    columns = tables.columns(shown) if len(shown) else []
    of = list(kinds(shown)) if len(shown) else []
    names = sorted(set(of))
    table: dict[str, Any] = {
        "columns": tables.plain(columns),
        "kinds": {"words": names, "values": [names.index(kind) for kind in of]},
        "first": FIRST,
    }
    used = sum(len(one.light.encode()) + len(one.dark.encode()) for one in pictures)
    used += len(_json(table)) + sum(len(line) for line in records.skipped)
    told = _details(records, shown, LIMIT - FRAME - used)
    command = " ".join(["python -m analysis report", *map(_quoted, places)])
    return Page(
        answer,
        tuple(map(str, places)),
        command,
        tuple(pictures),
        tuple(columns),
        tuple(of),
        len(shown),
        len(runs) - len(shown),
        len(told["runs"]),
        _json(table | {"details": told}),
        claims,
        records.skipped,
        theirs(records.runs),
        dict(ours()),
    )


def _details(records: Records, shown: pd.DataFrame, room: int) -> dict[str, Any]:
    if shown.empty:
        return {"numbers": [], "names": [], "runs": {}}
    return details(records, shown, room)


def _json(value: Any) -> str:
    """For a script element: nothing in it ends the element or begins a comment."""
    text = orjson.dumps(value).decode()
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _quoted(place: str | Path) -> str:
    import shlex

    return shlex.quote(str(place))


def sentence(found: Page) -> str:
    """What was read, in a line."""
    studies = len(found.answer.studies)
    if not studies:
        return f"Nothing could be read in {', '.join(found.places)}."
    told = f"{plural(found.answer.runs, 'run')} of {_studies(studies)}"
    return f"{told}, read from {', '.join(found.places)}."


def _studies(count: int) -> str:
    return "one study" if count == 1 else f"{count:,} studies"
