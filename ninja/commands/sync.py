"""``python -m ninja sync``."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from ninja.commands import add_runs

if TYPE_CHECKING:
    from ninja.tracking.send import Report


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "sync", help="send W&B the runs that it has not got, or not all of, from their records"
    )
    parser.set_defaults(run=run)
    add_runs(parser, "of a run, a study, or all studies (outputs)")
    parser.add_argument("--json", action="store_true", help="print an object, not lines")


def run(options: argparse.Namespace) -> int:
    """Exit code 2 when the server cannot be used, or refuses a run; what was sent stays sent."""
    from ninja.tracking.send import SyncError, send

    report = send(options.path)
    if options.json:
        print(json.dumps(_object(report), indent=1))
    else:
        _print(report)
    if report.failed is not None:
        raise SyncError(f"{report.failed}: the rest stays in the records, sync again later")
    return 2 if report.refused else 0


def _object(report: "Report") -> dict[str, Any]:
    """The report as plain data."""
    return {
        "sent": [str(folder) for folder in report.sent],
        "begun": [str(folder) for folder in report.begun],
        "complete": [str(folder) for folder in report.complete],
        "training": [str(folder) for folder in report.training],
        "refused": {str(folder): why for folder, why in report.refused.items()},
        "failed": report.failed,
    }


def _print(report: "Report") -> None:
    for folder in report.begun:
        print(f"{folder}: sent as far as it is; it was interrupted")
    for folder in report.training:
        print(f"{folder}: left alone, a process is training it")
    for why in report.refused.values():
        print(why)
    had = f"; {len(report.complete)} were complete already" if report.complete else ""
    print(f"{len(report.sent)} runs sent{had}")
