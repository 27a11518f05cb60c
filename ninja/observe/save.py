"""A watched training on disk, in the form of a run of our own."""

import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
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
    """Write lines, tables and result: aside, and when all of it is there in place of another one.

    Args:
        folder: is made, if it is not there.
        lines: of the record.
        about: of `Result`: steps, classes and seconds.
        findings: of the rows.
        evidence: of the rows.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".saving-", dir=folder) as aside:
        part = Path(aside)
        with records.Record(part) as record:
            for row, places in lines:
                if places and places != record.places.get("layers"):
                    record.place("layers", places)
                record.append(row)
        deque(records.finish(part), maxlen=0)
        result.write(part, _result(about, findings, evidence))
        (folder / result.RESULT).unlink(missing_ok=True)  # which goes with the lines that go next
        for name in (records.LINES, records.STEPS, records.LAYERS, result.RESULT):
            (part / name).replace(folder / name)


def _result(
    about: dict[str, Any], findings: Sequence[Finding], evidence: Sequence[Evidence]
) -> Result:
    unknown = [name for name in diagnosis.unknown(evidence) if name not in UNWATCHED]
    return Result(
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
    )
