"""A sweep from its jobs to their ends: what is done is skipped, the rest is trained as stacks."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ninja import faults, records, result, streams
from ninja.config import RunConfig
from ninja.errors import NinjaError, RunError
from ninja.lock import Lock
from ninja.sweep import failures
from ninja.sweep.board import Board
from ninja.sweep.executors import Executor
from ninja.sweep.jobs import Ended, Invalid, Job, Message, distinct
from ninja.sweep.plan import stacks
from ninja.sweep.progress import Progress
from ninja.sweep.settings import Settings
from ninja.sweep.size import cache_size, runs_in_a_stack
from ninja.tracking import Mirror

LOG, LOCK = "sweep.log", ".sweep.lock"


def sweep(
    jobs: Sequence[Job | Invalid], workers: Executor, settings: Settings, mirror: Mirror
) -> list[Ended]:
    """Train every job that is not done. None is stopped by another's fault.

    Args:
        jobs: in the order of their numbers; the same run may be there twice, and is trained once.
        workers: that train the stacks.
        settings: of the launcher.
        mirror: W&B's view of the runs.

    Returns:
        How each job ended.

    Raises:
        NinjaError: another sweep is under way in the study, or the workers cannot be had.
    """
    began = time.monotonic()
    names = dict(zip((job.number for job in jobs), distinct(jobs), strict=True))
    for job in jobs:
        if isinstance(job, Invalid):
            faults.told(f"job {job.number} ({names[job.number]}): {job.why}")
    own = [job for job in jobs if isinstance(job, Job)]
    studies = list(dict.fromkeys(job.folder.parent for job in own))
    console = Console(highlight=False, width=streams.width())
    with _locked(studies):
        ends = _ends(own, workers, settings, mirror, console)
        ended = [_end(job, ends) for job in jobs]
        for study in studies:
            mine = [one for one in ended if _study(one.job, studies) == study]
            try:
                failures.write(study, failures.failures(mine))
            except OSError as error:  # a full disk, perhaps; the table says the same
                faults.told(faults.line(error, study))
    _tell(ended, names, studies, console, time.monotonic() - began)
    return ended


def _ends(
    jobs: Sequence[Job], workers: Executor, settings: Settings, mirror: Mirror, console: Console
) -> dict[Path, Ended]:
    """Train those that are not done; how each run ended, by its folder."""
    runs = {job.folder: job for job in reversed(jobs)}  # the first of those that are the same
    ends = {folder: end for folder, job in runs.items() if (end := _finished(job)) is not None}
    todo = sorted((job for job in runs.values() if job.folder not in ends), key=lambda j: j.number)
    for folder in ends:
        mirror.follow(runs[folder].config, folder)  # W&B may still want it
        mirror.ended(folder)
    if not runs:
        return ends
    cache = cache_size()

    def most(config: RunConfig) -> int:
        return settings.stack or runs_in_a_stack(config, cache)

    if todo:
        mirror.prepare(todo[0].config)  # while the workers load torch
    planned = stacks(todo, workers.workers, most)
    by_number = {job.number: job for job in todo}
    log = todo[0].folder.parent / LOG if todo else None
    with Board(Progress.of(todo, len(ends)), log, console) as board:
        board.say(_first_line(len(jobs), len(ends), planned, workers.workers))

        def hear(place: int, message: Message) -> None:
            job = by_number.get(message.get("job", -1))
            if job is not None and message["do"] == "held":
                mirror.follow(job.config, job.folder)
            if job is not None and message["do"] == "ended":
                mirror.ended(job.folder)
                ends[job.folder] = Ended(
                    job,
                    message.get("status", "failed"),
                    message.get("validation"),
                    message.get("why", ""),
                )
            board.hear(place, message)

        lost = workers.run(_work, planned, hear)
    for stack, why in zip(planned, lost, strict=True):
        for job in stack:
            if job.folder not in ends:
                mirror.ended(job.folder)
                said = why or "its worker ended without a word of it"
                ends[job.folder] = Ended(job, "lost", why=said)
    return ends


def _work(jobs: Sequence[Job], tell: Callable[[Message], None]) -> None:
    """Train a stack, in a worker's process: torch is loaded there, and not here."""
    from ninja.sweep.work import work

    work(jobs, tell)


def _finished(job: Job) -> Ended | None:
    """How a run ended that is done already; a worker sees to one whose tables are missing."""
    try:
        found = result.read(job.folder, job.folder.name)
    except NinjaError as error:
        return Ended(job, "failed", why=str(error))
    if found is None or not records.has_tables(job.folder):
        return None
    if found.status == "diverged":
        return Ended(job, "diverged", why=result.where_diverged(found))
    return Ended(job, "done", found.losses["validation"])


def _end(job: Job | Invalid, ends: Mapping[Path, Ended]) -> Ended:
    if isinstance(job, Invalid):
        return Ended(job, "invalid", why=job.why)
    return replace(ends[job.folder], job=job)


def _study(job: Job | Invalid, studies: Sequence[Path]) -> Path | None:
    """Whose failures a job is among: one that is no run's is among the first study's."""
    if isinstance(job, Job):
        return job.folder.parent
    return studies[0] if studies else None


@contextmanager
def _locked(studies: Iterable[Path]) -> Generator[None]:
    """One sweep a study.

    Raises:
        RunError: another one is under way.
    """
    with ExitStack() as held:
        for study in studies:
            study.mkdir(parents=True, exist_ok=True)
            lock = Lock(study / LOCK)
            if not lock.take():
                raise RunError(
                    f"{str(study)!r}: another sweep is under way in this study; wait for its end, "
                    "or give this one a study of its own: study=another"
                )
            held.callback(lock.release)
        yield


def _first_line(jobs: int, finished: int, planned: Sequence[Sequence[Job]], workers: int) -> str:
    runs = sum(map(len, planned))
    parts = [f"{jobs:,} job{'' if jobs == 1 else 's'}"]
    if finished:
        parts.append(f"{finished:,} done before")
    sizes = sorted({len(stack) for stack in planned})
    if runs:
        shown = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        parts.append(
            f"{runs:,} to train in {len(planned)} stack{'' if len(planned) == 1 else 's'} of "
            f"{shown}, {workers} at a time"
        )
    return ", ".join(parts)


def _tell(
    ended: Sequence[Ended],
    names: Mapping[int, str],
    studies: Sequence[Path],
    console: Console,
    seconds: float,
) -> None:
    """The last lines."""
    failed = failures.failures(ended)
    if failed:
        console.print()
        console.print(failures.table(failed, names))
        if len(failed) > failures.ROWS:
            print(f"… and {len(failed) - failures.ROWS:,} more")
        console.print()
    counts = Counter(one.status for one in ended)
    said = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    jobs = f"{len(ended):,} job{'' if len(ended) == 1 else 's'}"
    print(f"{said}  ({jobs}, {seconds:.1f} s)")
    losses = [one for one in ended if one.validation is not None]
    if losses:
        best = min(losses, key=lambda one: one.validation or 0.0)
        line = f"lowest validation loss {best.validation:.4f}: {names[best.job.number]}"
        console.print(Text(line), soft_wrap=True)
    for study in studies:
        there = [failures.FILE, LOG] if failed else [LOG]
        files = [name for name in there if (study / name).exists()]
        console.print(Text.assemble(("folder  ", "dim"), str(study)), soft_wrap=True)
        if files:
            console.print(Text.assemble(("        ", "dim"), ", ".join(files)), soft_wrap=True)
