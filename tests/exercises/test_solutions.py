"""The worked solutions are right, and the files that a learner begins with run."""

import pytest
import torch

from ninja import data
from ninja.exercises import every_tensor, lecture
from ninja.exercises.catalogue import EXERCISES
from ninja.verify import LECTURE_ROWS
from tests.exercises.answers import answer, source


@pytest.mark.parametrize("number", EXERCISES)
def test_the_worked_solution_passes_every_row(number: int) -> None:
    found = answer(number)
    assert found.ran.fault is None
    assert found.judged.done
    assert found.hints == ()
    assert [line.name for line in found.judged.lines] == list(EXERCISES[number].rows)


def test_the_lectures_rows_are_exact() -> None:
    found = answer(1)
    assert len(found.judged.lines) == 26
    assert {line.state for line in found.judged.lines} == {"exact"}
    assert {f"d{name}" for name in LECTURE_ROWS} == set(EXERCISES[1].rows)


def test_the_lectures_own_way_to_write_tanh_is_right() -> None:
    found = answer(1, dhpreact="dhpreact = (1.0 - h**2) * dh")
    assert found.judged.done
    assert "approx" in {line.state for line in found.judged.lines}


@pytest.mark.parametrize("number", EXERCISES)
def test_the_file_that_is_started_runs_and_is_all_to_do(number: int) -> None:
    found = source(number, EXERCISES[number].start())
    assert found.ran.fault is None
    assert {line.state for line in found.judged.lines} == {"to do"}
    assert not found.judged.changed
    assert found.judged.first is not None
    assert found.judged.first.name == next(iter(EXERCISES[number].rows))


@pytest.mark.parametrize("number", EXERCISES)
def test_every_blank_is_in_the_file_once(number: int) -> None:
    exercise = EXERCISES[number]
    marks = [line.strip("« »") for line in exercise.text.splitlines() if "«" in line]
    assert marks == [blank.name for blank in exercise.blanks]
    assert set(exercise.rows.values()) == set(marks)
    assert "«" not in exercise.start() + exercise.solved()
    assert max(map(len, exercise.start().splitlines())) <= 100


def test_the_network_is_the_lectures() -> None:
    names = lecture.made(lecture.SETUP, lecture.BATCH, every_tensor.FORWARD)
    assert names["vocab_size"] == 27
    assert names["logits"].shape == (32, 27)
    assert torch.equal(names["Xtr"], data.load().train.contexts)
    assert names["loss"].item() == pytest.approx(3.3, abs=0.3)  # about ln 27


def test_the_batch_of_the_lecture_has_a_letter_twice() -> None:
    """Else = in place of += would be right in dC."""
    names = lecture.made(lecture.SETUP, lecture.BATCH)
    assert names["Xb"].unique().numel() < names["Xb"].numel()


def test_training_learns() -> None:
    losses = EXERCISES[4].reference().rows["losses"]
    assert losses[-10:].mean() < losses[:10].mean()
