"""A shape mistake has a name."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ninja.exercises.shapes import shape_mistake

SHAPES = st.lists(st.integers(1, 5), max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("got", "expected", "words"),
    [
        ((64,), (1, 64), "keepdim=True"),
        ((1, 64), (64,), "without keepdim"),
        ((64, 1), (1, 64), "transposed"),
        ((27, 64), (64, 27), "transposed"),
        ((32, 64), (64,), "copied 32 times"),
        ((32, 64), (1, 64), "copied 32 times"),
        ((32, 27), (32, 1), "copied 27 times"),
        ((32,), (27,), "wrong dimension"),
        ((32, 1), (1, 27), "wrong dimension"),
        ((), (27,), "everything was summed"),
        ((3, 32, 10), (32, 3, 10), "another order"),
        ((32, 64), (32, 27), "exactly the shape"),
    ],
)
def test_named(got: tuple[int, ...], expected: tuple[int, ...], words: str) -> None:
    assert words in shape_mistake(got, expected, {32})


@given(got=SHAPES, expected=SHAPES)
def test_both_shapes_are_told(got: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assume(got != expected)
    said = shape_mistake(got, expected)
    assert said.startswith(f"has shape {got}, and must have {expected}: ")
    assert said.isprintable()
