"""Run studies side by side, each in a process of its own, and show what they found."""

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module, metadata
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments import cache, claims
from experiments.claims import ClaimError, Judged
from ninja import durable, streams
from ninja.errors import NinjaError
from ninja.folders import diagnosed, runs_in
from ninja.result import RESULT
from ninja.server import deaf
from ninja.words import sha256

PRESETS = Path(__file__).parents[1] / "conf" / "experiment"
BEGIN, END = "<!-- made by make reproduce -->", "<!-- end -->"


def measured(
    study: str, *, quick: bool, words: Path | None = None
) -> tuple[dict[str, list[float]], float]:
    """The numbers of a study and the seconds that they took, from the cache if they are there."""
    found = cache.read(study, quick=quick, words=words)
    if found is not None:
        return found
    import torch

    torch.set_num_threads(1)
    began = time.perf_counter()
    given = {} if words is None else {"words": words}
    made = import_module(f"experiments.{study}.measure").measure(quick=quick, **given)
    plain = {name: [float(value) for value in values] for name, values in made.items()}
    seconds = time.perf_counter() - began
    cache.write(study, plain, seconds, quick=quick, words=words)
    return plain, seconds


def reproduce(
    names: Sequence[str], *, quick: bool, workers: int, words: Path | None = None
) -> dict[str, list[Judged]]:
    """All claims of these studies, side by side in processes of their own, and told as they end.

    Args:
        names: of the studies.
        quick: with fewer seeds.
        workers: processes at a time.
        words: a list for the studies that take one; none for the shipped one.

    Raises:
        ClaimError: there is no such study, or none of them takes a list that is given.
        DataError: the list cannot be read.
    """
    studies = [claims.read(name) for name in dict.fromkeys(names)]
    own = sha256(words) if words else ""
    if words and not any(study.words for study in studies):
        taking = ", ".join(name for name in claims.names() if claims.read(name).words)
        raise ClaimError(f"--data: none of these studies learns words: choose from {taking}")
    found: dict[str, list[Judged]] = {}
    with _pool(workers) as pool:
        with deaf():  # while they load
            futures = {
                pool.submit(
                    measured, study.name, quick=quick, words=words if study.words else None
                ): study
                for study in sorted(studies, key=lambda of: not of.words)  # they take the longest
            }
        for future in as_completed(futures):
            study = futures[future]
            try:
                numbers, seconds = future.result()
            except BrokenProcessPool:
                raise ClaimError(
                    "a process that measures was killed: is there enough memory? Give fewer "
                    "--workers; what was measured is kept"
                ) from None
            published = bool(own) and own == study.words
            found[study.name] = claims.judge(
                study, numbers, quick=quick, published=published, seconds=seconds
            )
            failed = sum(not one.passed for one in found[study.name])
            count = len(found[study.name])
            said = f"{failed} of {count} claims fail" if failed else "passed"
            print(f"{study.name}: {said} ({seconds:.1f} s)", file=sys.stderr, flush=True)
    return {study.name: found[study.name] for study in studies}


def _begin() -> None:
    """Of a process: an interrupt ends it at once, and so does the end of who started it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _pool(workers: int) -> Generator[ProcessPoolExecutor]:
    """Processes that end at once, without a word, when all of it is interrupted."""
    pool = ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),  # a fork would copy threads of torch's that do not live on
        initializer=_begin,
    )
    with pool:
        try:
            yield pool
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in active_children():
                child.terminate()
            raise


def kept(names: Sequence[str] | None = None) -> Iterator[tuple[str, list[Judged]]]:
    """Studies, and their claims against what was measured, a whole form before a quick one.

    There are no claims of a study that was not measured with the code as it is.

    Args:
        names: of the studies; every one, if not given.
    """
    for name in claims.names() if names is None else names:
        found = ((quick, cache.read(name, quick=quick)) for quick in (False, True))
        quick, measurement = next((of for of in found if of[1] is not None), (False, None))
        if measurement is None:
            yield name, []
            continue
        numbers, seconds = measurement
        yield name, claims.judge(claims.read(name), numbers, quick=quick, seconds=seconds)


def of_runs(name: str, place: Path) -> dict[str, list[Judged]]:
    """The claims of a study of training runs, held against runs that were trained before.

    Of the shipped words, they are kept as a measurement, which `analysis.report` shows.

    Args:
        name: of the study.
        place: of its sweep, a folder of runs.

    Raises:
        ClaimError: there is no such study, it measures more than one sweep, or the sweep is not
            whole.
        RecordError: a run is damaged or missing.
    """
    study = claims.read(name)
    measure = import_module(f"experiments.{name}.measure")
    if not hasattr(measure, "numbers"):
        raise ClaimError(f"--runs: {name} is more than one sweep: leave --runs away")
    began = time.perf_counter()
    folders = [folder for folder in runs_in(place) if (folder / RESULT).is_file()]
    runs = [diagnosed(folder) for folder in folders]
    different, jobs = len({repr(run.about.config) for run in runs}), _jobs(name)
    if different < max(jobs, len(runs)):
        raise ClaimError(
            f"{str(place)!r}: not the whole sweep of {name}: {different} of its {jobs} runs are "
            f"done, in {len(runs)} folders"
        )
    try:
        made = measure.numbers(runs)
        plain = {key: [float(value) for value in values] for key, values in made.items()}
        if empty := [key for key, values in plain.items() if not values]:
            raise ValueError(f"no run for {', '.join(empty)}")
    except ValueError as error:
        raise ClaimError(f"{str(place)!r}: not the whole sweep of {name} ({error})") from None
    shipped = all((run.about.config or {}).get("data", {}).get("path") is None for run in runs)
    kept = cache.read(name, quick=False)
    if shipped and (kept is None or kept[0] != plain):  # else a report would be made again
        cache.write(name, plain, time.perf_counter() - began, quick=False)
    return {name: claims.judge(study, plain, quick=False)}


def _jobs(name: str) -> int:
    """Of the study's sweep, by its preset."""
    preset = yaml.safe_load((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"))
    values = preset["hydra"]["sweeper"]["params"].values()
    return math.prod(len(str(of).split(",")) for of in values)


def cells(study: str, one: Judged) -> list[str]:
    """A row of the table."""
    spread = f" ± {one.deviation:.2g}" if len(one.values) > 1 else ""
    return [
        study,
        one.claim.quantity,
        one.claim.source,
        f"{one.claim.predicted:.6g}",
        f"{one.mean:.6g}{spread}",
        str(one.within),
        "pass" if one.passed else "FAIL",
        "" if math.isnan(one.seconds) else f"{one.seconds:.1f}",
    ]


COLUMNS = (
    "study",
    "claim",
    "source",
    "predicted",
    "measured ± sd",
    "tolerance",
    "result",
    "seconds",
)


def write(path: Path, found: dict[str, list[Judged]]) -> None:
    """Put the table into a Markdown file, between its two marks.

    Raises:
        NinjaError: see `around`.
    """
    before, after = around(path)
    versions = ", ".join(f"{of} {metadata.version(of)}" for of in ("torch", "numpy", "scipy"))
    lines = [f"{datetime.now(UTC):%Y-%m-%d}, {versions}.", ""]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for study, judged in found.items():
        for one in judged:
            row = (cell.replace("|", "\\|") for cell in cells(study, one))
            lines.append("| " + " | ".join(row) + " |")
    table = "\n".join([BEGIN, *lines, END])
    durable.write(path, (before + table + after).encode())


def around(path: Path) -> tuple[str, str]:
    """What stands before and behind the table in a Markdown file.

    Raises:
        NinjaError: it cannot be read, or has not the two marks.
    """
    try:
        text = durable.read(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "it is not UTF-8"
        raise NinjaError(f"--write: {str(path)!r}: cannot be read ({said})") from None
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise NinjaError(f"--write: {str(path)!r}: has no {BEGIN!r} … {END!r} to write between")
    return before, after


def show(found: dict[str, list[Judged]], *, failed: bool = False) -> None:
    """Print the table; of those that fail only, if that is asked for."""
    if failed:
        found = {name: [one for one in of if not one.passed] for name, of in found.items()}
    if not any(found.values()):
        return
    console = Console(highlight=False, width=streams.width())
    table = Table(*COLUMNS, box=None, header_style="")
    for study, judged in found.items():
        for one in judged:
            style = "" if one.passed else "red"
            table.add_row(*map(Text, cells(study, one)), style=style)  # E[x²] is no markup
    console.print(table)
