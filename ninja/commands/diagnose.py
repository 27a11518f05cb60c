"""``python -m ninja diagnose``."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninja.commands import console

if TYPE_CHECKING:
    from ninja.folders import Diagnosed


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "diagnose", help="say what is wrong with a run or a sweep, where, why, and what fixes it"
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "path",
        nargs="?",
        type=Path,
        default=Path("outputs"),
        metavar="PATH",
        help="of a run, finished or not, of a study, or of all studies (outputs)",
    )
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
        raise RecordError("\nninja: ".join(damaged))
    return int(any(one.is_sick for one in found))


def _object(one: "Diagnosed") -> dict[str, Any]:
    return {
        "run": str(one.folder),
        "verdict": one.verdict,
        "findings": [asdict(finding) for finding in one.findings],
        "evidence": [asdict(item) for item in one.evidence],
    }


def _one(one: "Diagnosed") -> None:
    from ninja.screen.findings import findings

    shown = console()
    shown.print(f"{one.folder}: {one.verdict}", soft_wrap=True)
    for line in findings(one.findings):
        shown.print(line, soft_wrap=True)


def _many(found: "Sequence[Diagnosed]") -> None:
    """A line a run: what it is called by what varies, and its first finding."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("run", "verdict", "layer", "step", "fix"):
        table.add_column(title, overflow="fold")
    for one in found:
        first = next(iter(one.findings), None)
        layer, step, fix = "", "", ""
        if first is not None:
            layer, fix = first.layer, first.fix
            step = "" if first.step is None else f"{first.step:,}"
        table.add_row(str(one.folder), one.verdict, layer, step, fix)
    shown = console()
    shown.print(table)
    healthy = sum(not one.is_sick for one in found)
    shown.print(f"{healthy} of {len(found)} runs are healthy")


def _explain(one: "Diagnosed") -> None:
    from ninja import records
    from ninja.screen.layers import layers_table, parts

    shown = console()
    rows = [row for row in records.rows(one.folder) if "layers" in row]
    looks = [row for row in rows if any("grad_norm" in of for of in row["layers"])]
    for row in [*looks[:1], *looks[1:][-1:]]:
        shown.print(f"\n{one.folder}, step {row['step']:,}: loss {row['loss']:.4f}", soft_wrap=True)
        found = parts(row["layers"])
        table = layers_table(found, shown.width, len(found) + 2)
        if table is not None:
            shown.print(table)
