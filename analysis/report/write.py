"""The report on disk: read, judged, drawn and written, or left as it is when nothing is new."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from analysis.report import stamp
from analysis.workers import workers
from ninja import durable
from ninja.errors import NoRunError, RecordError, RunError
from ninja.folders import every_run
from ninja.lock import Lock

PAGE, TEXT, TABLE, FIGURES = "index.html", "report.md", "summary.csv", "figures"

LOCK = ".report.lock"

DEFAULT = Path("outputs")


@dataclass(frozen=True)
class Written:
    """A report.

    Attributes:
        lines: the answer.
        page: its file.
        is_new: it was written now; else it was there.
        runs: whether any run lies there.
    """

    lines: tuple[str, ...]
    page: Path
    is_new: bool
    runs: bool


def report(places: Sequence[Path], out: Path, processes: int = 1) -> Written:
    """Write the report of all runs in these folders, if anything is new.

    Args:
        places: of runs, studies or outputs; `outputs` if there is none, and then it may be empty.
        out: the folder of the report.
        processes: that read and draw beside each other, where there are many runs; more than one
            only for a program whose main module can be imported.

    Raises:
        RecordError: a place is not there, or no run lies there.
        RunError: the report cannot be written.
    """
    folders = _folders(places)
    places = places or (DEFAULT,)
    key = stamp.key(places, folders)
    before = stamp.read(out)
    if before is not None and before.key == key and stamp.is_whole(out, before):
        return Written(before.lines, out / PAGE, is_new=False, runs=bool(folders))
    lock = Lock(out / LOCK)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not lock.take():
            raise RunError(f"{str(out)!r}: another report is being written there: wait for it")
        with workers(processes, len(folders)) as pool:
            lines = _write(places, out, key, pool, is_empty=not folders)
    except OSError as error:
        place = error.filename or out
        raise RunError(
            f"{str(place)!r}: cannot be written ({error.strerror}): give another folder as --out"
        ) from None
    finally:
        lock.release()
    return Written(lines, out / PAGE, is_new=True, runs=bool(folders))


def _folders(places: Sequence[Path]) -> list[Path]:
    """Of all runs; nothing may lie where nobody has said that something does.

    Raises:
        RecordError: a place that was given is not there, or no run lies there.
    """
    try:
        return every_run(places or (DEFAULT,))
    except NoRunError:
        if places:
            raise
        return []


def _write(
    places: Sequence[Path], out: Path, key: str, pool: Executor | None, *, is_empty: bool
) -> tuple[str, ...]:
    from analysis import figures
    from analysis.cache import LOOKS
    from analysis.report.answer import answer, lines
    from analysis.report.claims import claims
    from analysis.report.markdown import markdown
    from analysis.report.page import page
    from analysis.report.pictures import draw_all, pictures
    from analysis.report.render import render
    from analysis.report.summary import summary
    from analysis.tables import nothing, read

    records = nothing() if is_empty else read(*places, looks=LOOKS, pool=pool)
    found = answer(records)
    shown = figures.figures(records)
    drawn = draw_all(shown, out / FIGURES, pool)
    evidence = pictures(shown, drawn, out / FIGURES)
    made = page(records, found, evidence, claims(), places)
    durable.write(out / TABLE, summary(records))
    durable.write(out / TEXT, markdown(made).encode())
    durable.write(out / PAGE, render(made).encode())
    told = tuple(lines(found))
    names = [PAGE, TEXT, TABLE, *(f"{FIGURES}/{path.name}" for of in drawn for path in of.files)]
    stamp.write(out, key, told, names)
    return told


def must_have_runs(written: Written) -> None:
    """Say what to do where nothing was run.

    Raises:
        RecordError: nothing was.
    """
    if not written.runs:
        raise RecordError(
            f"{str(DEFAULT)!r}: nothing was run yet: make run, or python run.py, and then make "
            "analysis"
        )
