"""Specification of numbers as they are typed."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja.number import number


@given(st.integers(-(10**14), 10**14), st.integers(1, 10**14))
def test_a_fraction_is_rounded_once(over: int, under: int) -> None:
    assert number(f"{over}/{under}") == float(Fraction(over, under))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_itself(value: float) -> None:
    assert number(value) == number(repr(value)) == value


@pytest.mark.parametrize("name", ["", "tanh", "1/0", "nan", "inf", "1e999", "5/3/2", "0x10", "one"])
def test_a_name_is_none(name: str) -> None:
    assert number(name) is None


@pytest.mark.parametrize("name", ["4e3097811234", "12e456789012", "1/1" + "0" * 400])
def test_a_name_that_looks_like_a_large_number_takes_no_time(name: str) -> None:
    assert number(name) is None
