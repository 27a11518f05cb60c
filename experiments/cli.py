"""``python -m experiments``: run studies, and hold what they measure to what is predicted."""

import argparse
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

from experiments import claims
from experiments.reproduce import around, of_runs, reproduce, show, write
from ninja import command_line
from ninja.commands import positive
from ninja.errors import ConfigError


def main(given: Sequence[str] | None = None) -> int:
    """Run; 0 if every claim passes, 1 if one fails, 2 for what cannot be run."""
    parser = command_line.Parser(prog="python -m experiments", description=__doc__)
    parser.add_argument("study", nargs="*", help="all of them, if none is named")
    parser.add_argument("--quick", action="store_true", help="fewer seeds, wider tolerances")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="a word list for the studies that learn the lecture's, which the numbers are of",
    )
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="FOLDER",
        help="runs of the study's sweep that were trained before, in place of training",
    )
    parser.add_argument("--failed", action="store_true", help="show only the claims that fail")
    parser.add_argument("--json", action="store_true", help="every claim with its values")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into it")
    parser.add_argument(
        "--workers",
        type=positive,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="studies that are measured side by side (one a core)",
    )
    parser.set_defaults(run=_run)
    return command_line.run(parser, given)


def _run(options: argparse.Namespace) -> int:
    if options.write:
        if options.study or options.quick or options.data:
            raise ConfigError("--write: takes the whole table: leave studies, --quick, --data away")
        around(options.write)  # before all is measured
    if options.runs:
        if len(options.study) != 1 or options.quick or options.data:
            raise ConfigError("--runs: name one study, without --quick or --data")
        found = of_runs(options.study[0], options.runs)
    else:
        found = reproduce(
            options.study or claims.names(),
            quick=options.quick,
            workers=options.workers,
            words=options.data,
        )
    if options.write:
        write(options.write, found)
    every = [one for of in found.values() for one in of]
    failed = sum(not one.passed for one in every)
    if options.json:
        plain = [
            {
                "study": study,
                "claim": one.claim.name,
                "predicted": one.claim.predicted,
                "values": [value if math.isfinite(value) else None for value in one.values],
                "passed": one.passed,
            }
            for study, of in found.items()
            for one in of
            if not (options.failed and one.passed)
        ]
        print(json.dumps(plain, indent=1))
    else:
        show(found, failed=options.failed)
        print(f"{len(every)} claims, {failed} failed" if failed else f"{len(every)} claims pass")
    return int(failed > 0)
