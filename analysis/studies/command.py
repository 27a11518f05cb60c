"""``python -m analysis studies``."""

import argparse
from pathlib import Path
from typing import Any

from ninja.errors import RecordError


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "studies", help="draw what each study claims and what `make reproduce` has measured"
    )
    parser.set_defaults(run=run)
    parser.add_argument("study", nargs="*", help="all that were measured, if none is named")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("reports") / "studies",
        metavar="FOLDER",
        help="where a folder a study is written: figure.svg and figure.csv (reports/studies)",
    )


def run(options: argparse.Namespace) -> int:
    """Exit code 0.

    Raises:
        ClaimError: there is no such study.
        RecordError: one that was asked for was not measured with the code as it is, or none was.
    """
    from analysis.figures.command import written
    from analysis.studies.chart import chart
    from experiments import claims
    from experiments.reproduce import kept

    asked = {name: claims.read(name) for name in options.study or claims.names()}
    found = {name: judged for name, judged in kept([*asked]) if judged}
    missing = [name for name in asked if name not in found]
    if missing and (options.study or not found):
        raise RecordError(
            f"{missing[0]}: was not measured with the code as it is: "
            f"make reproduce STUDY={missing[0]} does that"
        )
    for name, judged in found.items():
        written(chart(asked[name], judged), options.out / name, ("svg",))
    return 0
