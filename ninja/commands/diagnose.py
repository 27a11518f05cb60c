"""``python -m ninja diagnose``."""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninja import streams
from ninja.commands import add_runs, console

if TYPE_CHECKING:
    from ninja.folders import Diagnosed


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "diagnose", help="say what is wrong with a run or a sweep, where, why, and what fixes it"
    )
    parser.set_defaults(run=run)
    add_runs(parser, "of a run, finished or not, of a study, or of all studies (outputs)")
    parser.add_argument(
        "--explain", action="store_true", help="show the layers at the first and the last look"
    )
    parser.add_argument("--json", action="store_true", help="print a list of objects, one a run")


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when a run is sick, 2 when a record cannot be read; the others are shown."""
    from ninja.errors import RecordError
    from ninja.folders import diagnosed, runs_in

    found: list[Diagnosed] = []
    damaged: list[str] = []
    for folder in runs_in(options.path):
        try:
            found.append(diagnosed(folder))
        except RecordError as error:
            damaged.append(str(error))
    if options.json:
        print(json.dumps([_object(one) for one in found], indent=1))
    elif len(found) == 1 and not damaged:
        _one(found[0])
    else:
        _many(found)
    if options.explain and not options.json:
        for one in found:
            _explain(one)
    if damaged:
        raise RecordError("\n".join(damaged))
    return int(any(one.is_sick for one in found))


def _object(one: "Diagnosed") -> dict[str, Any]:
    return {
        "run": str(one.folder),
        "verdict": one.verdict,
        "findings": [asdict(finding) for finding in one.findings],
        "evidence": [asdict(item) for item in one.evidence],
    }


def _one(one: "Diagnosed") -> None:
    from rich.text import Text

    from ninja.screen.findings import findings

    shown = console()
    shown.print(Text(f"{_shown(one.folder)}: {one.verdict}"), soft_wrap=True)
    for line in findings(one.findings):
        shown.print(line, soft_wrap=True)


def _many(found: "Sequence[Diagnosed]") -> None:
    """A line a run: its folder below the one they share, what differs, and its first finding."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    from ninja.folders import settings

    if not found:
        return
    shown = console()
    shared = Path(os.path.commonpath([one.folder.parent for one in found]))
    differ = settings(found)
    ordered = sorted(zip(differ, found, strict=True), key=lambda pair: pair[0])
    rows = [("run", "settings", "layer", "step", "verdict", "fix")]
    rows += [_line(one, of, shared) for of, one in ordered]
    if not any(differ):
        rows = [(run, *rest) for run, _, *rest in rows]
    titles, *lines = rows
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in titles:  # the long ones last: what does not fit goes on below itself
        table.add_column(title, overflow="fold", no_wrap=title == "step")
    for line in lines:
        table.add_row(*map(Text, line))
    if streams.width() is not None:  # a file has room for everything, and one line a run
        shown.width = sum(max(map(cell_len, column)) + 2 for column in zip(titles, *lines))
    shown.print(Text(f"in {_shown(shared)}:"), soft_wrap=True)
    shown.print(table)
    healthy = sum(not one.is_sick for one in found)
    shown.print(f"{healthy} of {len(found)} runs are healthy", soft_wrap=True)


def _line(one: "Diagnosed", settings: str, shared: Path) -> tuple[str, ...]:
    """Of the table."""
    name, first = _shown(one.folder.relative_to(shared)), next(iter(one.findings), None)
    if first is None:
        return name, settings, "", "", one.verdict, ""
    step = "" if first.step is None else f"{first.step:,}"
    return name, settings, first.layer, step, one.verdict, first.fix


def _shown(folder: Path) -> str:
    """Its name in one line."""
    return streams.printable(str(folder))


def _explain(one: "Diagnosed") -> None:
    from rich.text import Text

    from ninja import records
    from ninja.parts import parts
    from ninja.screen.layers import layers_table
    from ninja.screen.losses import shown_loss

    shown = console()
    rows = [row for row in records.rows(one.folder) if "layers" in row]
    looks = [row for row in rows if any("grad_norm" in of for of in row["layers"])]
    for row in [*looks[:1], *looks[1:][-1:]]:
        said = f"step {row['step']:,}: loss {shown_loss(row['loss'])}"
        shown.print(Text(f"\n{_shown(one.folder)}, {said}"), soft_wrap=True)
        found = parts(row["layers"])
        table = layers_table(found, shown.width, len(found) + 2)
        if table is not None:
            shown.print(table)
