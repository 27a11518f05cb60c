"""A watched training on disk, in the form of a run of our own."""

import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ninja import diagnosis, folders, records, result
from ninja.diagnosis import Evidence, Finding
from ninja.folders import UNWATCHED
from ninja.result import Result

Lines = Iterable[tuple[dict[str, Any], Sequence[records.Place]]]
"""Rows whose layers are bare numbers, and where these belong."""


def free(folder: Path, *, own: bool) -> None:
    """Refuse to write over the run of somebody else.

    Args:
        folder: to save in.
        own: this watch has begun to save there before, and may not have come to its end.

    Raises:
        ValueError: another run lies there.
    """
    there = result.read(folder)
    if there is not None and there.status != "watched":
        raise ValueError(f"folder: {str(folder)!r} holds the run {there.run_id}, give another one")
    if there is None and not own and folders.is_run(folder):
        raise ValueError(f"folder: {str(folder)!r} holds an unfinished run, give another one")


def save(
    folder: Path,
    lines: Lines,
    about: dict[str, Any],
    findings: Sequence[Finding],
    evidence: Sequence[Evidence],
) -> None:
    """Write lines, tables and result, the result last.

    Args:
        folder: is made, if it is not there.
        lines: of the record.
        about: of `Result`: steps, classes and seconds.
        findings: of the rows.
        evidence: of the rows.

    Raises:
        OSError: it cannot be written.
    """
    unknown = [name for name in diagnosis.unknown(evidence) if name not in UNWATCHED]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / result.RESULT).unlink(missing_ok=True)
    with records.Record(folder) as record:
        for row, places in lines:
            if places and places != record.places.get("layers"):
                record.place("layers", places)
            record.append(row)
    deque(records.finish(folder), maxlen=0)
    result.write(
        folder,
        Result(
            run_id="watched",
            status="watched",
            execution="eager",
            losses={},
            diverged=None,
            data_sha256="",
            config={},
            verdict=diagnosis.verdict(findings, unknown),
            findings=json.loads(json.dumps([asdict(one) for one in findings])),
            evidence=json.loads(json.dumps([asdict(one) for one in evidence])),
            **about,
        ),
    )
