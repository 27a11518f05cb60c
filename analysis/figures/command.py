"""``python -m analysis figure``."""

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninja.errors import RecordError, nearest

if TYPE_CHECKING:
    from analysis.figures import Figure


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("figure", help="draw one figure of the report, and write its data")
    parser.set_defaults(run=run)
    parser.add_argument("name", metavar="NAME", help="profile, verdicts, …; all for every one")
    parser.add_argument(
        "path", metavar="PATH", nargs="*", default=["outputs"], help="runs, studies or outputs"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("reports") / "figures",
        metavar="FOLDER",
        help="where SVG, PNG, PDF and CSV are written (reports/figures)",
    )


def run(options: argparse.Namespace) -> int:
    """Exit code 0.

    Raises:
        RecordError: there is no such figure, no run, or nothing in the runs that it shows.
    """
    from analysis.cache import LOOKS
    from analysis.figures import BUILDERS, NEEDS
    from analysis.tables import read

    if options.name != "all" and options.name not in BUILDERS:
        raise RecordError(nearest("figure", options.name, [*BUILDERS, "all"]))
    records = read(*options.path, looks=LOOKS)
    names = list(BUILDERS) if options.name == "all" else [options.name]
    names = names if len(records.runs) else []
    made = [figure for name in names if (figure := BUILDERS[name](records)) is not None]
    if not made:
        raise RecordError(
            f"{options.name}: nothing to draw in {', '.join(map(repr, options.path))}: "
            f"it needs {' or '.join(NEEDS[name] for name in names) or 'runs that can be read'}"
        )
    for figure in made:
        written(figure, options.out)
    return 0


def written(figure: "Figure", folder: Path, kinds: Collection[str] | None = None) -> None:
    """Save a figure, in all kinds unless some are given, and print its files.

    Raises:
        RecordError: one cannot be written.
    """
    from analysis.figures.render import KINDS, save

    try:
        paths = save(figure, folder, KINDS if kinds is None else kinds)
    except OSError as error:
        raise RecordError(f"{str(folder)!r}: cannot be written ({error.strerror})") from None
    for path in paths:
        print(path)
