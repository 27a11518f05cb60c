"""What a worker does: it trains a stack of jobs, and says how that goes."""

from collections.abc import Callable, Sequence
from functools import partial

from ninja import faults, result
from ninja.allocator import keep_freed_memory
from ninja.fit import Ending, Entry, fit_together
from ninja.loop import Interrupted
from ninja.sweep import hydra_files
from ninja.sweep.jobs import Job, Message

Tell = Callable[[Message], None]

PATIENCE = 5.0
"""Seconds that processes have to leave the runs of this stack which began before it."""


def work(jobs: Sequence[Job], tell: Tell) -> None:
    """Train runs of one shape, each into its own folder.

    Args:
        jobs: of one stack.
        tell: is told what the sweep must know.
    """
    keep_freed_memory()
    left = {job.number: job for job in jobs}

    def ended(place: int, ending: Ending) -> None:
        job = jobs[place]
        del left[job.number]
        tell(_last_word(job, ending))

    entries = [_entry(job, tell) for job in jobs]
    try:
        fit_together(entries, ended, lambda n: tell({"do": "made", "steps": n}), PATIENCE)
    except (MemoryError, RuntimeError) as error:
        if not faults.is_out_of_memory(error):
            raise
        for job in left.values():
            why = faults.out_of_memory(job.folder)
            tell({"do": "ended", "job": job.number, "status": "failed", "why": why})


def _entry(job: Job, tell: Tell) -> Entry:
    def held(steps: int) -> None:
        hydra_files.write(job.files)
        tell({"do": "held", "job": job.number, "steps": steps})

    def warn(line: str) -> None:
        tell({"do": "warn", "job": job.number, "line": line})

    return Entry(job.config, job.folder, warn=warn, held=held)


def _last_word(job: Job, ending: Ending) -> Message:
    said = partial(Message, do="ended", job=job.number)
    if isinstance(ending, Interrupted):
        return said(status="stopped", why=f"stopped before step {ending.step:,}")
    if isinstance(ending, Exception):
        return said(status="failed", why=faults.line(ending, job.folder))
    if ending.status == "diverged":
        return said(status="diverged", why=result.where_diverged(ending))
    return said(status="done", validation=ending.losses["validation"])
