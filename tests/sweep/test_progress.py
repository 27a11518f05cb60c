"""How far a sweep is: counts that add up, and steps that are counted once."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja.config import RunConfig
from ninja.sweep.jobs import HydraFiles, Job, Message
from ninja.sweep.progress import WINDOW, Progress

STEPS = 100
STATES = ("waiting", "running", "done", "diverged", "failed", "stopped")


def jobs(count: int) -> list[Job]:
    config = replace(RunConfig(), steps=STEPS)
    files = HydraFiles(None, {}, {}, [])
    return [Job(number, (), config, Path(str(number)), files) for number in range(count)]


def test_from_the_start_to_the_end() -> None:
    progress = Progress.of(jobs(4), finished=2)
    assert (progress.total, progress.count("waiting"), progress.left()) == (6, 4, 400)
    assert progress.seconds_left() is None
    progress.hear(0, {"do": "held", "job": 0, "steps": 0}, 0.0)
    progress.hear(0, {"do": "held", "job": 1, "steps": 40}, 0.0)
    assert progress.count("running") == 2
    assert progress.left() == 400 - 40
    progress.hear(0, {"do": "made", "steps": 2}, 20.0)  # it took so long to begin
    assert progress.seconds_left() is None
    progress.hear(0, {"do": "made", "steps": 28}, 22.0)
    assert progress.left() == 330
    assert progress.rate() == 14.0
    assert progress.seconds_left() == pytest.approx(330 / 14)
    progress.hear(0, {"do": "ended", "job": 0, "status": "done", "validation": 2.0}, 3.0)
    progress.hear(0, {"do": "ended", "job": 1, "status": "diverged", "why": ""}, 3.0)
    assert [progress.count(state) for state in STATES] == [2, 0, 1, 1, 0, 0]
    assert progress.left() == 200
    assert progress.model_steps == 30


def test_a_stack_that_is_lost_waits_again() -> None:
    progress = Progress.of(jobs(2), finished=0)
    for job in range(2):
        progress.hear(0, {"do": "held", "job": job, "steps": 0}, 0.0)
    progress.hear(0, {"do": "made", "steps": 100}, 1.0)
    progress.hear(0, {"do": "ended", "job": 0, "status": "done", "validation": 1.0}, 1.0)
    progress.hear(0, {"do": "lost", "line": "killed"}, 2.0)
    assert (progress.count("done"), progress.count("waiting")) == (1, 1)
    assert progress.left() == STEPS
    progress.hear(0, {"do": "held", "job": 1, "steps": 50}, 3.0)
    assert progress.left() == 50


def test_the_rate_is_of_late() -> None:
    progress = Progress.of(jobs(1), finished=0)
    progress.hear(0, {"do": "held", "job": 0}, 0.0)
    for second in range(1, 100):
        progress.hear(0, {"do": "made", "steps": 1 if second < 50 else 5}, float(second))
    assert progress.rate() == 5.0
    assert WINDOW < 50


said = st.one_of(
    st.builds(
        lambda job, steps: Message(do="held", job=job, steps=steps),
        st.integers(0, 5),
        st.integers(0, STEPS),
    ),
    st.builds(lambda steps: Message(do="made", steps=steps), st.integers(0, 3 * STEPS)),
    st.just(Message(do="lost", line="")),
    st.builds(
        lambda job, status: Message(do="ended", job=job, status=status),
        st.integers(0, 5),
        st.sampled_from(["done", "diverged", "failed", "stopped"]),
    ),
)


@given(st.lists(st.tuples(st.integers(0, 1), said), max_size=40))
def test_whatever_is_said_the_counts_add_up(messages: list[tuple[int, Message]]) -> None:
    """Also said twice, or of a stack that was started again."""
    progress = Progress.of(jobs(6), finished=1)
    for now, (stack, message) in enumerate(messages):
        mine = message.get("job", 0) % 3 + 3 * stack  # each job is of one stack
        about = Message(**{**message, "job": mine}) if "job" in message else message
        progress.hear(stack, about, float(now))
        assert sum(progress.count(state) for state in STATES) == 6
        assert 0 <= progress.left() <= 6 * STEPS
        assert progress.rate() >= 0
