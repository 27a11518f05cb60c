"""Columns of a table, made of Arrow's buffers.

`pyarrow.array` loads pandas before it makes its first array. That takes half a second, of a run
that has no other use for it.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]


def column(values: Sequence[Any], kind: str = "float64") -> Any:
    """An array of Arrow's: `pyarrow.array(values, kind, from_pandas=True)`.

    Args:
        values: of one kind. Of floats what is missing or not a number is a gap; of the others none
            is missing.
        kind: "float64", "int64" or "string".
    """
    gaps, buffers = None, list[Any]()
    if kind == "string":
        encoded = [value.encode() for value in values]
        ends = accumulate(map(len, encoded), initial=0)
        buffers = [np.fromiter(ends, np.int32, len(encoded) + 1), b"".join(encoded)]
    else:
        numbers = np.array(values, kind)
        there = ~np.isnan(numbers)
        gaps = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
        buffers = [numbers]
    laid = [gaps, *map(pa.py_buffer, buffers)]
    return pa.Array.from_buffers(pa.type_for_alias(kind), len(values), laid)
