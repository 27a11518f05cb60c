"""The jobs of a sweep that did not come to a good end."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from ninja import durable
from ninja.sweep.jobs import Ended, Invalid

FILE = "failures.json"

ROWS = 20
"""In a table, at most."""


def failures(ended: Iterable[Ended]) -> list[Ended]:
    """Those that are not done."""
    return [one for one in ended if one.status != "done"]


def write(folder: Path, failed: Sequence[Ended]) -> None:
    """Write ``failures.json``; where there are none, remove what an earlier sweep has left.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / FILE
    if not failed:
        path.unlink(missing_ok=True)
        return
    plain = [
        {
            "job": one.job.number,
            "overrides": list(one.job.overrides),
            "folder": None if isinstance(one.job, Invalid) else str(one.job.folder),
            "status": one.status,
            "why": one.why,
        }
        for one in failed
    ]
    folder.mkdir(parents=True, exist_ok=True)
    durable.write(path, json.dumps(plain, indent=1).encode())


def table(failed: Sequence[Ended], names: Mapping[int, str]) -> Table:
    """One line each, the first of them.

    Args:
        failed: what did not come to a good end.
        names: what each job is known by, by its number.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    made.add_column("job", justify="right", no_wrap=True)
    made.add_column("", no_wrap=True)
    made.add_column("overrides", overflow="fold")
    made.add_column("why", overflow="fold", ratio=1)
    for one in failed[:ROWS]:
        made.add_row(
            str(one.job.number),
            Text(one.status, "bold red"),
            Text(names[one.job.number]),
            Text(one.why),
        )
    return made
