"""What the charts of a run are drawn from: its depth profile and its last histograms, as lines."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ninja.tracking.metrics import named

SPREADS = {
    ("y", "value"): ("activations", "activation", "activation density"),
    ("y", "delta"): ("their deltas", "delta", "delta density"),
    ("", "delta"): ("weights' gradients", "gradient", "gradient density"),
}
"""Of the histograms of outputs ("y") and of parameters: the columns of their lines in `curves`."""

COARSE = 2
"""Bins of the record in one of a chart: each cell of a table takes `wandb` its time."""

PROFILE = ("line", "depth", "layer", "value", "log10")
"""Columns of the rows of `profile`."""

CURVES = (*PROFILE, *(column for columns in SPREADS.values() for column in columns))
"""Columns of the rows of `curves`."""

CHART = "profile/depth"
"""What the chart of the depth profile is called; W&B calls the table that it is of by `TABLE`."""

TABLE = f"{CHART}_table"

LINES = "wandb/lineseries/v0"
"""W&B's chart of many lines: a colour a run, a dash a line."""


def profile(first: Mapping[str, Any], last: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Deltas and gradients against depth: lines of a chart, whose y is a log10.

    Args:
        first: the record's first row.
        last: its last one.

    Returns:
        Rows of: what, depth, layer, value, log10 of the value. What is no positive finite number
        has no logarithm: none.
    """
    return [
        (f"{said}, step {row['step']:,}", depth, named(layer), value, _log10(value))
        for row in (first, last)
        for column, said in (("delta_rms", "RMS of the delta"), ("grad_norm", "gradient norm"))
        for depth, layer, value in _column(row.get("layers", ()), column)
    ]


def curves(
    first: Mapping[str, Any], last: Mapping[str, Any], spread: Mapping[str, Any]
) -> list[list[Any]]:
    """What all charts of a run are drawn from, as one table: W&B takes longest for each table.

    The profile and the three kinds of histograms lie side by side, and know nothing of each other.
    Where one has fewer rows, its last one is repeated, which no line shows.

    Args:
        first: the record's first row.
        last: its last one.
        spread: the last one with histograms, or any row.

    Returns:
        Rows of `CURVES`. A part that has nothing is empty: none.
    """
    parts: list[list[tuple[Any, ...]]] = [profile(first, last)]
    parts += [list(_densities(spread, *of)) for of in SPREADS]
    widths = [len(PROFILE), *map(len, SPREADS.values())]
    longest = max(map(len, parts))
    rows = [part or [(None,) * width] for part, width in zip(parts, widths, strict=True)]
    filled = [part + part[-1:] * (longest - len(part)) for part in rows]
    return [[value for one in row for value in one] for row in zip(*filled)][:longest]


def _densities(row: Mapping[str, Any], tensor: str, of: str) -> Iterator[tuple[str, float, float]]:
    """Layer, middle of a bin, and share of the counted elements in it, per unit of the value."""
    for one in row.get("histograms", ()):
        if one["of"] != of or (one["tensor"] == "y") != (tensor == "y"):
            continue
        edges, counts, total = one["edges"], one["counts"], sum(one["counts"])
        for start in range(0, len(counts), COARSE) if total else ():
            count = sum(counts[start : start + COARSE])
            low, high = edges[start], edges[min(start + COARSE, len(counts))]
            yield named(one), (low + high) / 2, count / total / (high - low)


def _column(
    layers: Sequence[Mapping[str, Any]], column: str
) -> Iterator[tuple[int, Mapping[str, Any], float]]:
    for layer in layers:
        value = layer.get(column)
        if isinstance(value, (int, float)):
            yield layer["layer"], layer, value


def _log10(value: float) -> float | None:
    return math.log10(value) if 0 < value < math.inf else None
