"""A detector is asked of longer and longer beginnings, and knows no more than was known then."""

from collections.abc import Sequence

from benchmarks.diagnosis.cache import Record
from benchmarks.diagnosis.cases import Run
from benchmarks.diagnosis.detectors import Alarm
from benchmarks.diagnosis.when import alarmed_at, beginnings, found_at
from tests.benchmarks.diagnosis.made import record, trained

ROWS = [{"step": step, "loss": 3.0, "lr": 0.1} for step in (0, 5, 25)]
WHOLE = record({"train": 2.5, "by_batch": 2.5}, [3.0] * 31, rows=ROWS)


def test_beginnings_hold_what_was_known_then():
    found = list(beginnings(WHOLE))
    assert [step for step, _ in found] == [0, 5, 30]
    assert [len(one.rows) for _, one in found] == [1, 2, 3]
    assert [len(one.history) for _, one in found] == [1, 6, 31]
    assert [bool(one.losses) for _, one in found] == [False, False, True]
    assert found[-1][1] == WHOLE


def detector(found: Record, _: Run) -> Sequence[Alarm]:
    """Says that it stalls from the second row on, and that it is a mismatch at the end."""
    kinds = ["stalled"] if len(found.rows) > 1 else []
    return [Alarm(kind, (kind,)) for kind in (["mismatch"] if found.losses else kinds)]


def test_the_first_beginning_of_which_it_says_what_is_true():
    assert found_at(detector, WHOLE, trained(), "stalled") == 5
    assert found_at(detector, WHOLE, trained(), "mismatch") == 30
    assert found_at(detector, WHOLE, trained(), "dead") is None
    assert alarmed_at(detector, WHOLE, trained()) == 5
    assert alarmed_at(lambda *_: [], WHOLE, trained()) is None
