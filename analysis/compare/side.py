"""One of the two sets of runs: what has ended of it, and the numbers of its gradients."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.cache import LOOKS
from analysis.tables import read
from ninja import result
from ninja.errors import RecordError
from ninja.folders import is_run

EVIDENCE = {"profile": ("delta profile", "end"), "gap": ("gap", "run")}
"""Columns, and the name and the time of the evidence in a result that they are."""


@dataclass(frozen=True)
class Side:
    """Runs that can be compared.

    Attributes:
        place: the folder, as it was given.
        runs: those that have ended; `analysis.tables.Records.runs`, by `run`.
        numbers: by `run`. `profile`, the delta profile at the end (log10), `gap`, the largest of
            the run (relative), `step_time` (ln of seconds a step).
        unfinished: names of runs that have not ended.
        skipped: what could not be read, a line each.
    """

    place: str
    runs: pd.DataFrame
    numbers: pd.DataFrame
    unfinished: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def side(place: Path) -> Side:
    """Read a run, a study or an output.

    Raises:
        RecordError: no run lies there, or none that has ended and can be read.
    """
    # a run by itself: what is kept of its study stays as it is
    found = read(place, looks=None if is_run(place) else LOOKS)
    runs = found.runs.set_index("run", drop=False)
    ended = runs[runs["status"].isin(("done", "diverged", "watched"))]
    if ended.empty:
        why = found.skipped[0] if found.skipped else f"{len(runs)} not finished: finish them first"
        raise RecordError(f"{str(place)!r}: no run that has ended lies here ({why})")
    unfinished = runs.index.difference(ended.index)
    return Side(str(place), ended, _numbers(ended), tuple(map(str, unfinished)), found.skipped)


def _numbers(runs: pd.DataFrame) -> pd.DataFrame:
    found = pd.DataFrame([_evidence(Path(folder)) for folder in runs["folder"]], index=runs.index)
    trained = runs["trained"].astype("float64")
    known = (trained > 0) & (runs["seconds"] > 0)
    found["step_time"] = np.log((runs["seconds"] / trained).where(known))
    return found


def _evidence(folder: Path) -> dict[str, float]:
    """Of a run's result."""
    done = result.read(folder)
    told: list[dict[str, Any]] = [] if done is None else done.evidence
    values = {(of["name"], of["when"]): of["value"] for of in told}
    found = {column: values.get(key) for column, key in EVIDENCE.items()}
    return {column: math.nan if of is None else float(of) for column, of in found.items()}
