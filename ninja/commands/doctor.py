"""``python -m ninja doctor``."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninja import streams

if TYPE_CHECKING:
    from ninja.doctor import Check


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "doctor", help="look at this machine: what works, what does not, and what to do"
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="that results will be in (outputs)"
    )
    parser.add_argument("--json", action="store_true", help="print a list of objects, not lines")


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when something must be mended."""
    from ninja.doctor import examine

    found: list[Check] = []
    for check in examine(options.output):
        found.append(check)
        if not options.json:
            print(line(check), flush=True)
    mend = sum(check.state == "mend" for check in found)
    if options.json:
        print(json.dumps([asdict(check) for check in found], indent=1))
    else:
        print(f"{mend} to mend" if mend else "nothing to mend")
    return int(mend > 0)


def line(check: "Check") -> str:
    """A check, in one line of printable characters."""
    advice = f": {check.advice}" if check.advice else ""
    said = f"{check.state:<4}  {check.name:<14}  {check.found}{advice}"
    return streams.printable(said)
