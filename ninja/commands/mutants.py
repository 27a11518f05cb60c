"""``python -m ninja mutants``."""

import argparse
import json
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ninja.commands import console

if TYPE_CHECKING:
    from ninja.mutants import Outcome


HEADINGS = {
    "shape": "shape",
    "exact row": "row",
    "gap": "gap",
    "gradcheck": "diff",
    "identity": "ident",
}


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "mutants", help="plant every known mistake and show which checks catch it"
    )
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="print an object, not a table")


def run(options: argparse.Namespace) -> int:
    """Exit code 1 when a mistake slips through."""
    import torch

    from ninja.mutants import try_all

    torch.set_num_threads(1)
    outcomes = list(try_all())
    if options.json:
        print(json.dumps({"mutants": [_object(outcome) for outcome in outcomes]}, indent=1))
    else:
        _print(outcomes)
    return int(not all(outcome.accounted_for for outcome in outcomes))


def _object(outcome: "Outcome") -> dict[str, Any]:
    return {
        "target": outcome.mutant.target,
        "mistake": outcome.mutant.mistake,
        "caught_by": list(outcome.caught_by),
        "equivalent": outcome.mutant.equivalent,
        "accounted_for": outcome.accounted_for,
    }


def _print(outcomes: Sequence["Outcome"]) -> None:
    """One line a mutant under its target, one column a check."""
    from rich.padding import Padding
    from rich.table import Table

    from ninja.mutants import CHECKS

    table = Table()
    table.add_column("mistake")
    for check in CHECKS:
        table.add_column(HEADINGS[check], justify="center")
    for target, group in groupby(outcomes, key=lambda outcome: outcome.mutant.target):
        table.add_section()
        table.add_row(f"[bold]{target}[/bold]")
        for outcome in group:
            marks = ["x" if check in outcome.caught_by else "" for check in CHECKS]
            note = " (equivalent)" if outcome.mutant.equivalent else ""
            style = None if outcome.accounted_for else "red"
            table.add_row(
                Padding(f"{outcome.mutant.mistake}{note}", (0, 0, 0, 2)), *marks, style=style
            )
    out = console()
    out.print("Each mistake, planted in our own code, and the checks that catch it (x): the")
    out.print("shape of a delta, its row, the gap, central differences, an identity")
    out.print(table)
    equivalent = [outcome.mutant for outcome in outcomes if outcome.mutant.equivalent]
    for reason in dict.fromkeys(mutant.equivalent for mutant in equivalent):
        names = ", ".join(mutant.name for mutant in equivalent if mutant.equivalent == reason)
        out.print(f"equivalent: {names}: {reason}.", markup=False)
    missed = [outcome.mutant.name for outcome in outcomes if not outcome.accounted_for]
    out.print(
        f"{len(outcomes)} mutants: {len(outcomes) - len(equivalent) - len(missed)} caught, "
        f"{len(equivalent)} equivalent, {len(missed)} missed"
    )
    for name in missed:
        out.print(f"missed: {name}", markup=False, style="red")
