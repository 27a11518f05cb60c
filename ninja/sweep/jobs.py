"""One run of a sweep, and what is said of it while it is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from ninja.config import RunConfig


@dataclass(frozen=True)
class HydraFiles:
    """What Hydra keeps of a job in its ``.hydra``.

    Attributes:
        folder: to write them to; none where ``hydra.output_subdir=null`` asks for none.
        config: the job's own keys, unresolved.
        hydra: Hydra's.
        overrides: of the job, without Hydra's.
    """

    folder: Path | None
    config: dict[str, Any]
    hydra: dict[str, Any]
    overrides: list[str]


@dataclass(frozen=True)
class Job:
    """One run of a sweep; it can be pickled.

    Attributes:
        number: of the job in the sweep, from 0: its ``hydra.job.num``.
        overrides: as they would be typed to start it alone.
        config: of the run.
        folder: of the run.
        files: for its ``.hydra``.
    """

    number: int
    overrides: tuple[str, ...]
    config: RunConfig
    folder: Path
    files: HydraFiles


Status = Literal["done", "diverged", "failed", "stopped"]


class Message(TypedDict):
    """What a worker says, as plain data.

    ``held``: nobody else can be in this run's folder, and it is about to be trained, or was found
    finished. ``made``: so many steps were made since the last such message, summed over the runs
    of the stack. ``warn``: a line. ``lost``: the stack's worker is gone, and another one will take
    it; said by the executor. ``ended``: the run is over, as its ``status`` says; with its
    validation loss, or with the reason (``why``).
    """

    do: Literal["held", "made", "warn", "lost", "ended"]
    job: NotRequired[int]
    steps: NotRequired[int]
    line: NotRequired[str]
    status: NotRequired[Status]
    validation: NotRequired[float]
    why: NotRequired[str]


@dataclass(frozen=True)
class Invalid:
    """A job of a sweep that cannot be: a combination of values that is refused.

    Attributes:
        number: of the job in the sweep.
        overrides: as they were typed.
        why: in one line.
    """

    number: int
    overrides: tuple[str, ...]
    why: str


def distinct(jobs: Sequence[Job | Invalid]) -> list[str]:
    """What each job is known by among these: its overrides without those that all of them have."""
    shared = set(jobs[0].overrides).intersection(*(job.overrides for job in jobs)) if jobs else ()
    return [
        " ".join(one for one in job.overrides if one not in shared) or " ".join(job.overrides)
        for job in jobs
    ]


@dataclass(frozen=True)
class Ended:
    """How a job of a sweep ended.

    Attributes:
        job: that it was.
        status: done or diverged, also of a run that was so before; ``lost`` when its worker was,
            ``invalid`` when it never began.
        validation: the loss over the validation split of one that is done.
        why: of one that is not, in one line.
    """

    job: "Job | Invalid"
    status: Status | Literal["lost", "invalid"]
    validation: float | None = None
    why: str = ""
