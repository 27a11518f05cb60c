"""Specification of when a step is looked at."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja.config import ProbeConfig
from ninja.probes import due, gap_due, histograms_due

steps = st.integers(0, 10_000)


@given(st.lists(steps, max_size=8), st.integers(0, 300), steps)
def test_due_is_early_or_every_so_many(early: list[int], every: int, step: int) -> None:
    config = ProbeConfig(early=tuple(early), every=every)
    multiples = range(0, 10_001, every) if every else ()
    assert due(config, step) == (step in early or step in multiples)


@given(st.integers(0, 300), steps)
def test_a_gap_is_due_every_so_many_steps_and_never_early(every: int, step: int) -> None:
    config = ProbeConfig(gap_every=every, early=(step,))
    assert gap_due(config, step) == (every > 0 and step in range(0, 10_001, every))


def test_the_default() -> None:
    config = ProbeConfig()
    expected = [0, 1, 2, 5, 10, 20, 50, 100, 200]
    assert [step for step in range(201) if due(config, step)] == expected
    assert [step for step in range(201) if gap_due(config, step)] == [0, 100, 200]


@pytest.mark.parametrize("step", [0, 1, 100])
def test_nothing_is_due_when_everything_is_off(step: int) -> None:
    config = ProbeConfig(early=(), every=0, gap_every=0)
    assert (due(config, step), gap_due(config, step)) == (False, False)


def test_histograms_are_kept_of_the_early_steps_and_of_every_tenth_due() -> None:
    config = ProbeConfig(early=(0, 3), every=5)
    assert [step for step in range(120) if histograms_due(config, step)] == [0, 3, 50, 100]
    assert not any(histograms_due(replace(config, histograms=False), step) for step in range(120))
    never = replace(config, every=0)
    assert [step for step in range(120) if histograms_due(never, step)] == [0, 3]
