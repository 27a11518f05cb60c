"""Specification of Arrow's columns: those of pyarrow itself, and nothing is loaded for them."""

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninja.arrow import column


def assert_same(found: Any, expected: Any) -> None:
    found.validate(full=True)
    assert (found.type, found.null_count) == (expected.type, expected.null_count)
    assert found.equals(expected)


@given(st.lists(st.none() | st.floats(width=64)))
def test_floats_with_gaps(values: list[float | None]) -> None:
    assert_same(column(values), pa.array(values, type=pa.float64(), from_pandas=True))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_zero_and_infinity_keep_their_signs(sign: float) -> None:
    zero, infinity = column([sign * 0.0, sign * math.inf]).to_pylist()
    assert math.copysign(1, zero) == sign
    assert infinity == sign * math.inf


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_integers(values: list[int]) -> None:
    assert_same(column(values, "int64"), pa.array(values, type=pa.int64()))


@given(st.lists(st.text()))
def test_texts(values: list[str]) -> None:
    assert_same(column(values, "string"), pa.array(values, type=pa.string()))


def test_a_column_is_a_copy() -> None:
    values: Any = np.array([1.0, 2.0])
    found = column(values)
    values[:] = 0
    assert found.to_pylist() == [1.0, 2.0]


def test_pandas_is_not_loaded() -> None:
    code = (
        "import sys\n"
        "from ninja.arrow import column\n"
        "made = column([1.0, None]), column([1, 2], 'int64'), column(['a', 'b'], 'string')\n"
        "assert list(map(len, made)) == [2, 2, 2]\n"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
