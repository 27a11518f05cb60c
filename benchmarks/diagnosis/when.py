"""When a detector finds what is wrong: asked of longer and longer beginnings of the record."""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.diagnosis.cache import Record
from benchmarks.diagnosis.cases import HEALTHY, Run
from benchmarks.diagnosis.detectors import Detector, answer


def beginnings(record: Record) -> Iterator[tuple[int, Record]]:
    """The record up to each of its rows, as it was known then; at last all of it."""
    for count, row in enumerate(record.rows[:-1], start=1):
        step = row["step"]
        yield (
            step,
            replace(
                record,
                rows=record.rows[:count],
                extras=[of for of in record.extras if of[0] <= step],
                history=record.history[: step + 1],
                accuracy=record.accuracy[: step + 1],
                losses={},
                diverged=None,
            ),
        )
    yield len(record.history) - 1, record


def found_at(detector: Detector, record: Record, run: Run, label: str) -> int | None:
    """The first step at which it says what is true; none if it never does."""
    for step, so_far in beginnings(record):
        if answer(detector(so_far, run), label) == label:
            return step
    return None


def alarmed_at(detector: Detector, record: Record, run: Run) -> int | None:
    """The first step at which it says that anything is wrong; none if it never does."""
    for step, so_far in beginnings(record):
        if answer(detector(so_far, run), HEALTHY) != HEALTHY:
            return step
    return None
