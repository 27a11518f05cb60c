"""``python -m analysis report``."""

import argparse
import os
from pathlib import Path
from typing import Any

OUT = Path("reports")


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "report", help="write what was run as a page, a table and a text for pull requests"
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="of runs, finished or not, of studies, or of all studies (outputs)",
    )
    parser.add_argument(
        "--out", type=Path, default=OUT, metavar="FOLDER", help=f"of the report ({OUT})"
    )


def run(options: argparse.Namespace) -> int:
    """Print the answer and where the report is; exit code 2 when nothing was run."""
    from analysis.report.write import must_have_runs, report
    from ninja.streams import printable

    written = report(options.paths, options.out, processes=len(os.sched_getaffinity(0)))
    must_have_runs(written)
    for line in written.lines:
        print(printable(line))
    state = "" if written.is_new else " (nothing is new)"
    print(f"report: {written.page}{state}")
    return 0
