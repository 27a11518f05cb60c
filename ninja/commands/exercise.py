"""``python -m ninja exercise start | check | list``."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninja.commands import console
from ninja.errors import ConfigError, RecordError

if TYPE_CHECKING:
    from ninja.exercises.execute import Ran
    from ninja.exercises.exercise import Exercise
    from ninja.exercises.hints import Hint
    from ninja.exercises.judge import Judged, Line

NUMBERS = range(1, 6)


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "exercise", help="derive the gradients yourself: a file with blanks, checked row by row"
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    start = actions.add_parser("start", help="write the file of an exercise")
    start.set_defaults(run=run_start)
    start.add_argument("number", type=_number, metavar="N", help="1 to 5")
    start.add_argument(
        "path", nargs="?", type=Path, metavar="PATH", help="file or folder (exercise_N.py, here)"
    )
    start.add_argument("--force", action="store_true", help="overwrite it, and begin anew")

    check = actions.add_parser("check", help="compare it with autograd")
    check.set_defaults(run=run_check)
    check.add_argument("file", metavar="N|FILE", help="1 to 5, or the exercise's file")
    check.add_argument(
        "--hint", action="store_true", help="say more each time; the worked solution at last"
    )
    check.add_argument(
        "--seconds", type=_seconds, default=30.0, metavar="S", help="until it is stopped (30)"
    )
    check.add_argument("--json", action="store_true", help="print an object, not a table")

    listed = actions.add_parser("list", help="the exercises, and how far you are")
    listed.set_defaults(run=run_list)
    listed.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help="of the files (.)"
    )
    listed.add_argument("--json", action="store_true", help="print a list of objects")


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) not in NUMBERS:
        raise argparse.ArgumentTypeError(f"{text!r} is no exercise, give 1 to 5")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no time, give seconds up to 3600")
    return seconds


# --- start ---------------------------------------------------------------------------------------


def run_start(options: argparse.Namespace) -> int:
    """Write the file; never over another."""
    from ninja.exercises import progress
    from ninja.exercises.catalogue import EXERCISES

    exercise = EXERCISES[options.number]
    path: Path = options.path if options.path is not None else Path()
    if path.is_dir():
        path = path / f"exercise_{exercise.number}.py"
    shown = repr(str(path))
    if path.suffix != ".py":
        raise ConfigError(f"{shown}: give a name that ends in .py, or a folder")
    kept = progress.read(path.parent)
    try:
        with path.open("w" if options.force else "x", encoding="utf-8") as file:
            file.write(exercise.start())
    except FileExistsError:
        raise ConfigError(
            f"{shown}: exists, and is left as it is; --force begins it anew"
        ) from None
    except FileNotFoundError:
        raise ConfigError(f"{shown}: there is no folder {str(path.parent)!r}") from None
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be written: {error.strerror}") from None
    begun = progress.Progress(exercise.number, rows=len(exercise.rows))
    progress.write(path.parent, kept | {path.name: begun})
    out = console()
    count = len(exercise.rows)
    rows = f"{count} {'row' if count == 1 else 'rows'}"
    out.print(f"{path}: {exercise.title}, {rows}", markup=False, soft_wrap=True)
    named = str(exercise.number) if path == Path(f"exercise_{exercise.number}.py") else str(path)
    out.print("Fill in what is None or pass, in any editor; then", soft_wrap=True)
    out.print(f"  python -m ninja exercise check {named}", markup=False, soft_wrap=True)
    return 0


# --- check ---------------------------------------------------------------------------------------


def run_check(options: argparse.Namespace) -> int:
    """Exit code 0 when all is right, 1 when not yet, 2 when the file does not run."""
    from ninja.exercises import progress
    from ninja.exercises.check import exercise_of, find
    from ninja.exercises.hints import hints, upcoming
    from ninja.exercises.judge import judge
    from ninja.exercises.separate import run_separately, source_of

    path = find(options.file)
    exercise = exercise_of(path, source_of(path))
    everything = progress.read(path.parent)
    before = everything.get(path.name, progress.Progress(exercise.number))
    if before.exercise != exercise.number:
        before = progress.Progress(exercise.number)

    ran = run_separately(exercise, path, options.seconds)
    reference = exercise.reference()
    judged = judge(exercise, ran, reference)
    fault, seen = None, True
    if ran.fault is not None:
        where = f"{path}, line {ran.fault.line}" if ran.fault.line else str(path)
        fault = f"{where}: {ran.fault.said}"
        seen = bool(ran.values) or not exercise.rows.keys().isdisjoint(ran.fault.rows)
    after, hint = before, None
    if seen:
        after = before.checked(judged.right, len(judged.lines), judged.done and fault is None)
    if seen and options.hint:
        hint = upcoming(hints(exercise, judged, ran, reference), before.told)
    if hint is not None:
        after = after.hinted(hint.digest, hint.about if hint.solution else "")

    if options.json:
        print(json.dumps(_object(exercise, path, judged, ran, fault, hint), indent=1))
    elif seen:
        _print(exercise, path, judged, ran, hint, options)
    try:
        progress.write(path.parent, everything | {path.name: after})
    except RecordError as error:  # a folder that cannot be written is no fault of the answer
        print(f"ninja: {error}", file=sys.stderr)
    if fault is not None:
        raise ConfigError(fault)
    return int(not judged.done)


def _object(
    exercise: "Exercise",
    path: Path,
    judged: "Judged",
    ran: "Ran",
    fault: str | None,
    hint: "Hint | None",
) -> dict[str, Any]:
    rows = [
        {
            "name": line.name,
            "shape": list(line.shape),
            "state": line.state,
            "maxdiff": line.maxdiff,
            "said": line.said,
        }
        for line in judged.lines
    ]
    return {
        "exercise": exercise.number,
        "file": str(path),
        "rows": rows,
        "changed": list(judged.changed),
        "right": judged.right,
        "done": judged.done and fault is None,
        "first_wrong": _first(judged),
        "fault": fault,
        "hint": {"about": hint.about, "text": hint.text, "solution": hint.solution}
        if hint
        else None,
        "printed": ran.printed,
    }


def _first(judged: "Judged") -> str | None:
    """What has to be mended first."""
    if judged.changed:
        return judged.changed[0]
    return judged.first.name if judged.first is not None else None


def _print(
    exercise: "Exercise",
    path: Path,
    judged: "Judged",
    ran: "Ran",
    hint: "Hint | None",
    options: argparse.Namespace,
) -> None:
    from rich.table import Table

    out = console()
    out.print(f"exercise {exercise.number}: {exercise.title}", markup=False, style="bold")
    if ran.printed:
        out.print(f"printed by {path}:", markup=False, soft_wrap=True)
        for text in ran.printed.splitlines()[:20]:
            out.print(f"  {_plain(text)}", markup=False, soft_wrap=True)
    table = Table()
    for heading in ("tensor", "shape", "", "maxdiff"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "maxdiff" else "left")
    for line in judged.lines:
        table.add_row(
            line.name, _shape(line), _state(line), _maxdiff(line), style=_STYLES.get(line.state)
        )
    out.print(table)
    count = len(judged.lines)
    out.print(f"{judged.right} of {count} {'row' if count == 1 else 'rows'} right")
    for name in judged.changed:
        out.print(f"{name}: is not what the forward pass made", style="red", soft_wrap=True)
    _print_first(judged, out)
    again = f"python -m ninja exercise check {options.file} --hint"
    if hint is not None:
        out.print(
            f"\n{'Worked solution' if hint.solution else 'Hint'}, {hint.about}:", style="bold"
        )
        for text in hint.text.splitlines():
            out.print(text, markup=False, soft_wrap=text.startswith("    "))  # code as it is
        if not hint.solution:
            out.print(f"\nMore: {again}", markup=False, style="dim", soft_wrap=True)
    elif not judged.done:
        out.print(f"A hint: {again}", markup=False, style="dim", soft_wrap=True)
    if judged.done and ran.fault is None:
        out.print(_DONE.get(exercise.number, ""), style="green", soft_wrap=True)


def _print_first(judged: "Judged", out: Any) -> None:
    line = judged.first
    if line is None:
        return
    what = {"shape": "first wrong, a shape mistake", "to do": "next", "error": "stopped at"}
    said = f" {line.said}" if line.said else ""
    out.print(
        f"{what.get(line.state, 'first wrong')}: {line.name}{said}", markup=False, soft_wrap=True
    )


_STYLES = {"wrong": "red", "shape": "red", "error": "red", "to do": "dim"}
_DONE = {
    1: "Every gradient is right. approx differs by rounding alone. Next: exercise 2, in one go.",
    2: "Right: probabilities minus one-hot, a line in place of eight tensors. Next: exercise 3.",
    3: "Right: one line in place of seven tensors. Next: exercise 4, the whole loop.",
    4: "Right: it trains as autograd does. Next: exercise 5, the challenges.",
    5: "Right. You are a backprop ninja.",
}


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _shape(line: "Line") -> str:
    return "×".join(map(str, line.shape)) or "1"


def _state(line: "Line") -> str:
    return "wrong shape" if line.state == "shape" else line.state


def _maxdiff(line: "Line") -> str:
    if line.maxdiff is None:
        return ""
    return f"{line.maxdiff:.1e}" if line.maxdiff else "0"


# --- list ----------------------------------------------------------------------------------------


def run_list(options: argparse.Namespace) -> int:
    """Every exercise, those that were started with their files."""
    from ninja.exercises import progress
    from ninja.exercises.catalogue import EXERCISES

    kept = progress.read(options.folder)
    rows: list[dict[str, Any]] = []
    for number, exercise in EXERCISES.items():
        started = {name: one for name, one in kept.items() if one.exercise == number}
        base = {"exercise": number, "title": exercise.title, "rows": len(exercise.rows)}
        rows += [
            base
            | {
                "file": name,
                "right": one.right,
                "checks": one.checks,
                "hints": len(one.told),
                "solutions": list(one.solutions),
                "state": "done" if one.done else "begun",
            }
            for name, one in started.items()
        ] or [
            base | {"file": None, "right": 0, "checks": 0, "hints": 0, "solutions": [], "state": ""}
        ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    _print_list(rows)
    return 0


def _print_list(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("", "exercise", "file", "right", "hints", "state"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        right = f"{row['right']} of {row['rows']}" if row["file"] else f"of {row['rows']}"
        cells = (
            row["exercise"],
            row["title"],
            row["file"] or "",
            right,
            row["hints"] or "",
            row["state"],
        )
        table.add_row(*(Text(_plain(str(cell))) for cell in cells))
    console().print(table)
