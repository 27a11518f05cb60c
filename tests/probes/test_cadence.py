"""Specification of when a step is looked at, and what it owes then."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja.config import ProbeConfig
from ninja.probes import NOTHING, Due, due

LAST = 10_000
steps = st.integers(0, LAST)
cadences = st.integers(0, 6) | st.integers(0, 300)
configs = st.builds(
    ProbeConfig,
    early=st.lists(st.integers(0, 400), max_size=8).map(tuple),
    every=cadences,
    close_every=cadences,
    gap_every=cadences,
    val_every=cadences,
    noise_scale=st.booleans(),
)


def nth(every: int) -> range:
    return range(0, LAST + 2, every) if every else range(0)


@given(configs, steps | st.integers(0, 400))
def test_what_is_due_on_a_step(config: ProbeConfig, step: int) -> None:
    found = due(config, step)
    early = step in config.early
    assert found.look == (early or step in nth(config.every))
    assert found.compare == (step in nth(config.gap_every))  # never because it is an early one
    assert found.validate == (step > 0 and step in nth(config.val_every))
    closely = step in nth(config.every) and step in nth(config.close_every)
    assert found.close == (early or closely)
    assert found.noise == (found.look and config.noise_scale)
    assert found.any == (found.look or found.compare or found.validate)


@given(configs, steps | st.integers(0, 400))
def test_a_gradient_is_kept_for_the_step_that_looks_back_at_it(
    config: ProbeConfig, step: int
) -> None:
    assert due(config, step).keep == due(config, step + 1).close


@given(configs, steps)
def test_a_closer_look_is_a_look(config: ProbeConfig, step: int) -> None:
    found = due(config, step)
    assert found.look or not found.close


def test_the_default() -> None:
    config = ProbeConfig()
    expected = [0, 1, 2, 5, 10, 20, 50, 100, 200]
    assert [step for step in range(201) if due(config, step).look] == expected
    assert [step for step in range(201) if due(config, step).compare] == [0, 100, 200]
    close = [step for step in range(2001) if due(config, step).close]
    assert close == [0, 1, 2, 5, 10, 20, 50, 1000, 2000]
    validated = [step for step in range(0, 20_001, 100) if due(config, step).validate]
    assert validated == [10_000, 20_000]
    assert not any(due(config, step).noise for step in range(201))


@pytest.mark.parametrize("step", [0, 1, 100, 1000, 10_000])
def test_nothing_is_due_when_everything_is_off(step: int) -> None:
    config = ProbeConfig(early=(), every=0, close_every=10, gap_every=0, val_every=0)
    assert due(replace(config, noise_scale=True), step) is NOTHING


def test_most_steps_owe_nothing_and_cost_nothing() -> None:
    config = ProbeConfig()
    owed = [step for step in range(300, 1000) if due(config, step) is not NOTHING]
    assert owed == [300, 400, 500, 600, 700, 800, 900, 999]
    assert due(config, 999) == Due(keep=True)  # for the cosine of step 1000
    assert not due(config, 999).any
