"""Hints go from a question to the worked solution, and each is given once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja.exercises.catalogue import EXERCISES
from ninja.exercises.hints import Hint, upcoming
from tests.exercises.answers import answer, source


@pytest.mark.parametrize("number", EXERCISES)
def test_the_last_hint_of_each_blank_has_the_code_and_its_derivation(number: int) -> None:
    for blank in EXERCISES[number].blanks:
        assert len(blank.hints) >= 2
        assert blank.why in blank.worked
        for line in blank.solution.strip().splitlines():
            assert line in blank.worked


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_a_file_of_blanks_gets_the_first_blanks_hints(number: int) -> None:
    exercise = EXERCISES[number]
    found = source(number, exercise.start()).hints
    assert [hint.text for hint in found] == [*exercise.blanks[0].hints, exercise.blanks[0].worked]
    assert [hint.solution for hint in found] == [False] * (len(found) - 1) + [True]


@given(
    many=st.integers(1, 6),
    asked=st.integers(1, 9),
)
def test_each_is_told_once_and_the_last_for_ever(many: int, asked: int) -> None:
    hints = [Hint("dh", str(number)) for number in range(many)]
    told: list[str] = []
    given: list[Hint | None] = []
    for _ in range(asked):
        one = upcoming(hints, told)
        assert one is not None
        told.append(one.digest)
        given.append(one)
    assert given == (hints + [hints[-1]] * asked)[:asked]


def test_the_same_words_about_two_rows_are_two_hints() -> None:
    assert Hint("dh", "sum").digest != Hint("dW2", "sum").digest


def test_nothing_to_say_when_all_is_right() -> None:
    assert upcoming((), ()) is None


def test_a_new_mistake_is_told_before_the_next_general_hint() -> None:
    before = answer(1, dlogprobs="dlogprobs = None").hints
    after = answer(1, dlogprobs="dlogprobs = F.one_hot(Yb, 27) / n").hints
    told = [hint.digest for hint in before[:-1]]
    first = upcoming(after, told)
    assert first is not None
    assert "The sign" in first.text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("dW2 = h.T @ dlogits * 64", "is 64 × too large"),
        ("dW2 = -(h.T @ dlogits)", "has the wrong sign"),
        ("dW2 = torch.zeros_like(W2)", "is zero"),
        ("dW2 = torch.rand(64, 27)", "should sum to zero along dimension 1 and does not."),
        ("dW2 = (h.T @ dlogits).sum()", "everything was summed"),
        ("dW2 = 'none'", "is a str, and must be a tensor"),
        ("dW2 = nothing", "NameError"),
    ],
)
def test_a_mistake_that_nobody_has_foreseen(code: str, words: str) -> None:
    found = answer(1, dW2=code)
    assert found.hints[0].about == "dW2"
    assert words in found.hints[0].text
    assert len(found.hints) == 4


def test_some_elements_that_are_wrong_are_counted() -> None:
    right = EXERCISES[1].blank("dhpreact").solution
    found = answer(1, dhpreact=right + "\ndhpreact[3, 3] += 1")
    assert "is wrong at 1 of 2048 elements" in found.hints[0].text
