"""A learner's answers, run and judged."""

from dataclasses import dataclass

from ninja.exercises.catalogue import EXERCISES
from ninja.exercises.execute import Ran, execute
from ninja.exercises.hints import Hint, hints
from ninja.exercises.judge import Judged, judge


@dataclass(frozen=True)
class Answer:
    ran: Ran
    judged: Judged
    hints: tuple[Hint, ...]


def answer(number: int, **instead: str) -> Answer:
    """The worked solution, with other code in some blanks."""
    exercise = EXERCISES[number]
    return source(number, exercise.solved(instead))


def source(number: int, text: str) -> Answer:
    """Any file."""
    exercise, reference = EXERCISES[number], EXERCISES[number].reference()
    ran = execute(exercise, text, "answer.py", tuple(reference.given))
    judged = judge(exercise, ran, reference)
    return Answer(ran, judged, hints(exercise, judged, ran, reference))
