"""Each rival is scored with the rules, and in the order, that serve it best."""

import pytest

from benchmarks.diagnosis.detectors import Alarm, answer
from benchmarks.diagnosis.rivals import RIVALS, Rival
from benchmarks.diagnosis.rivals.choice import CHOICES, Value, choose
from benchmarks.diagnosis.score import macro_f1, scores

RIGHT, CRIES, MISLEADS = "right", "cries wolf", "misleads"
TRUTH = ["dead", "dead", "stalled", "healthy", "healthy"]


def alarm(rule: str, *kinds: str, step: int = 0) -> dict[str, Alarm]:
    return {rule: Alarm(rule, kinds, step=step)}


def test_rules_that_cry_wolf_or_mislead_are_left_out_and_the_others_put_in_order():
    alarms = [
        alarm(RIGHT, "dead") | alarm(CRIES, "exploding") | alarm(MISLEADS, "stalled"),
        alarm(RIGHT, "dead") | alarm(CRIES, "exploding"),
        alarm(MISLEADS, "stalled") | alarm(CRIES, "exploding"),
        alarm(CRIES, "exploding"),
        alarm(CRIES, "exploding"),
    ]
    assert choose([CRIES, MISLEADS, RIGHT], alarms, TRUTH) == (RIGHT, MISLEADS)


def test_nothing_is_chosen_of_rules_that_never_help():
    assert choose([CRIES], [alarm(CRIES, "exploding")] * 5, TRUTH) == ()


def test_what_was_chosen_are_rules_of_each_rival():
    assert set(CHOICES) == {rival.name for rival in RIVALS}
    for rival in RIVALS:
        assert set(CHOICES[rival.name]) <= {rule.name for rule in rival.rules}
        assert len(set(CHOICES[rival.name])) == len(CHOICES[rival.name]) > 0


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_as_documented_the_earliest_alarm_comes_first(rival: Rival):
    late, soon = rival.rules[0].name, rival.rules[-1].name
    alarms = alarm(late, "dead", step=5) | alarm(soon, "stalled", step=2)
    assert [one.rule for one in rival.as_documented(alarms)] == [soon, late]
    assert [one.rule for one in rival.in_order(alarms, (late,))] == [late]


def test_the_value_of_an_order_is_its_macro_f1():
    alarms = [
        alarm(RIGHT, "exploding", "dead"),
        alarm(MISLEADS, "stalled") | alarm(RIGHT, "dead"),
        alarm(MISLEADS, "dead"),
        {},
        alarm(RIGHT, "dead"),
    ]
    value = Value([RIGHT, MISLEADS], alarms, TRUTH)
    for order in ((), (RIGHT,), (MISLEADS, RIGHT), (RIGHT, MISLEADS)):
        found = [[of[name] for name in order if name in of] for of in alarms]
        said = [answer(of, label) for of, label in zip(found, TRUTH, strict=True)]
        assert value(order) == pytest.approx(macro_f1(scores(TRUTH, said)))
