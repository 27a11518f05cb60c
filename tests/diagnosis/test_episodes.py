"""One look is a whim; several in a row are an episode, and it lasts or it does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja.diagnosis.episodes import LOOKS, Episode, episode

NAN = float("nan")


def of(*values: float) -> Episode | None:
    found = np.array(values)
    with np.errstate(invalid="ignore"):
        return episode(found > 1, found, np.arange(len(found), dtype=float))


@pytest.mark.parametrize(
    ("values", "first", "lasting"),
    [
        ((2, 2, 2, 2), 0, True),
        ((0, 2, 2, 2, 0, 0, 0), 1, False),
        ((2, 2, 0, 2, 2, 2), 3, True),
        ((2, NAN, 2, NAN, 2), 0, True),
        ((NAN, NAN, 2), 2, True),
        ((2, 2), 0, True),
    ],
)
def test_when_it_began_and_whether_it_lasts(
    values: tuple[float, ...], first: int, lasting: bool
) -> None:
    found = of(*values)
    assert found is not None
    assert (found.first, found.to_the_end) == (first, lasting)


@pytest.mark.parametrize("values", [(), (NAN,), (0, 0), (2, 2, 0, 2, 2, 0), (2, 0, 2, 0)])
def test_a_whim_is_no_episode(values: tuple[float, ...]) -> None:
    assert of(*values) is None


def test_what_took_a_part_of_the_run_lasts_though_it_is_mended() -> None:
    """Three looks of many are a matter of the past, unless they were a long time."""
    values = np.array([2.0] * 3 + [0.0] * 97)
    for steps, lasting in ((np.arange(100.0), False), (np.geomspace(1, 100, 100), False)):
        found = episode(values > 1, values, steps)
        assert found is not None
        assert (found.to_the_end, found.lasting) == (False, lasting)
    late = np.concatenate([[0.0, 50, 100], np.linspace(101, 200, 97)])
    found = episode(values > 1, values, late)
    assert found is not None
    assert (found.to_the_end, found.lasting) == (False, True)


def test_the_value_is_the_median_of_what_was_outside() -> None:
    found = of(0, 2, 3, 4, 0, 9)
    assert found is not None
    assert found.value == 3.5


@given(st.lists(st.sampled_from([0.0, 2.0, NAN]), max_size=12))
def test_an_episode_starts_with_as_many_looks_as_it_needs(values: list[float]) -> None:
    found, seen = of(*values), [value for value in values if value == value]
    need = min(LOOKS, len(seen))
    runs = [i for i in range(len(seen) - need + 1) if need and all(seen[i : i + need])]
    assert (found is None) == (not runs)
    if found is not None:
        before = [value for value in values[: found.first] if value == value]
        assert len(before) == runs[0]
