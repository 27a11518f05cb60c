"""``python -m analysis compare A B``."""

import argparse
import math
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "compare",
        help="say what changed from A to B, and whether B is worse",
        epilog="exit code: 0, B is no worse; 1, a loss is higher beyond chance, or a run became "
        "sick; 2, a folder cannot be compared, or a run in it is damaged",
    )
    parser.set_defaults(run=run)
    for name in ("A", "B"):
        parser.add_argument(
            name.lower(), type=Path, metavar=name, help="folder of a run, a study or an output"
        )
    parser.add_argument(
        "--tolerance",
        type=_nats,
        default=0.0,
        metavar="NATS",
        help="a difference in loss up to this counts as none (0)",
    )
    parser.add_argument("--json", action="store_true", help="print an object")


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when B is worse, 2 when a run is damaged; the others are compared and shown."""
    import orjson

    from analysis.compare.comparison import compare
    from analysis.compare.shown import plain_object, show
    from analysis.compare.side import side
    from ninja.commands import console
    from ninja.errors import RecordError

    found = compare(side(options.a), side(options.b), options.tolerance)
    if options.json:
        print(orjson.dumps(plain_object(found), option=orjson.OPT_INDENT_2).decode())
    else:
        show(found, console())
    if damaged := [*found.before.skipped, *found.after.skipped]:
        raise RecordError("\n".join(damaged))
    return int(found.verdict == "worse")


def _nats(text: str) -> float:
    """An option's value: a number from 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of nats from 0")
    return value
