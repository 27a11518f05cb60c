"""One detector, judged on a handful of cases."""

from collections.abc import Sequence

import pytest

from benchmarks.diagnosis.cases import Case
from benchmarks.diagnosis.detectors import Alarm, answer
from benchmarks.diagnosis.judge import judge
from benchmarks.diagnosis.label import Labelled
from tests.benchmarks.diagnosis.made import record, trained


def case(label: str, layer: str = "") -> Labelled:
    of = Case("dev", label, label, "family", trained(), trained(), layer=layer)
    return Labelled(of, record(), "", 3.0, 2.0)


CASES = [case("healthy"), case("healthy"), case("dead", "02.linear"), case("dead", "02.linear")]
CASES += [case("mismatch")]
ALARMS: list[list[Alarm]] = [
    [],
    [Alarm("a", ("stalled",), "", 0)],
    [Alarm("a", ("exploding", "dead"), "04.relu", 10), Alarm("b", ("stalled",), "", 0)],
    [Alarm("a", ("dead",), "05.linear", 90)],
    [],
]


def first(_: Labelled, alarms: Sequence[Alarm]) -> int | None:
    return alarms[0].step


def test_everything_is_counted():
    found = judge(CASES, ALARMS, ("dead", "stalled"), first)
    classes = found["classes"]
    assert (classes["dead"]["precision"], classes["dead"]["recall"]) == (1, 1)
    assert (classes["healthy"]["precision"], classes["healthy"]["recall"]) == (0.5, 0.5)
    assert classes["mismatch"]["called"] == {"healthy": 1}
    assert found["macro F1"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert found["macro F1, classes it covers"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["covers"] == ["dead"]
    assert (found["healthy flagged"]["hits"], found["healthy flagged"]["of"]) == (1, 2)
    assert (found["sick called healthy"]["hits"], found["sick called healthy"]["of"]) == (1, 3)
    assert found["steps"] == {"median": 50, "within 50": 0.5, "runs": 2}
    assert (found["layer"]["hits"], found["layer"]["of"]) == (1, 2)


def test_the_first_alarm_is_the_answer_and_is_given_the_benefit_of_the_doubt():
    assert answer(ALARMS[2], "dead") == "dead"
    assert answer(ALARMS[2], "stalled") == "exploding"
    assert answer([], "dead") == "healthy"
