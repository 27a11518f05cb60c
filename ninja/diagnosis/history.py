"""A record through time: each number of each layer at every look, as arrays.

Looks are the rows that saw the layers. What a look did not see is not a number here. Of a loss, a
gradient and a delta, one that was seen and is no number is infinite; any other counts as not seen.
Both are told of in `History.spoilt`.
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Row = Mapping[str, Any]
"""A row of a record, or one of its layers."""

Numbers = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

ACTIVATIONS = ("dead", "linear", "saturated")
"""Columns of an activation; which of them a row has depends on how closely the step was looked at,
and on the activation."""

UNITS = ("dead", "saturated", "gate", "linear", "twins")
"""Shares of an activation's units or elements."""

WEIGHTED = ("linear", "conv1d", "conv2d", "conv3d")
"""Rules whose "weight" is a matrix, also before any update tells so."""

MATRICES = ("update_ratio", "weight_norm", "grad_norm")

SCALARS = ("loss", "lr", "grad_norm", "gap", "gap_float64")

FINITE = (
    *("loss", "grad_norm", "weight_norm", "delta_rms", "act_mean"),
    *("saturated", "gate", "linear", "dead"),
)
"""Columns that are finite in a sound run. An update ratio of −∞ did not move; the deviation of a
single number is none."""


@dataclass(frozen=True)
class Unit:
    """A hidden layer's activation.

    Attributes:
        name: of its node.
        rule: what it is: "tanh", "relu", …
        source: the node it reads, its pre-activation; empty where the record has none before it.
        weights: the node of the last matrix before it; empty where there is none.
    """

    name: str
    rule: str
    source: str
    weights: str

    @property
    def layer(self) -> str:
        """What a finding calls it: the layer whose weights make it."""
        return self.weights or self.name


@dataclass(frozen=True)
class History:
    """What a record says, in arrays over its looks.

    Attributes:
        steps: (looks,) the steps that were looked at.
        last: the last step of the record, looked at or not.
        scalars: (rows,) each, of all rows, looked at or not; by `SCALARS` and "step".
        units: the activations in depth order.
        deltas: (looks, units) RMS of ∂loss/∂(pre-activation).
        outputs: (looks, units) RMS of the activation itself.
        arriving: (looks, units) RMS of ∂loss/∂(activation): what a unit is told by those above.
        shares: (looks, units) by `UNITS`.
        blind: no node's output was ever seen, and parameters alone were.
        parameters: names of all parameters.
        matrices: names of the weight matrices in depth order.
        moves: (looks, matrices) by `MATRICES`.
        apart: the node that makes most of the gap, by the steps that compared.
        spoilt: how many numbers were not finite, and the step and place of the first.
    """

    steps: Numbers
    last: int | None
    scalars: Mapping[str, Numbers]
    units: tuple[Unit, ...]
    deltas: Numbers
    outputs: Numbers
    arriving: Numbers
    shares: Mapping[str, Numbers]
    blind: bool
    parameters: frozenset[str]
    matrices: tuple[str, ...]
    moves: Mapping[str, Numbers]
    apart: Mapping[int, str]
    spoilt: tuple[int, int | None, str]

    def at_looks(self, scalar: str) -> Numbers:
        """A scalar at the looks, (looks,)."""
        rows = np.isin(self.scalars["step"], self.steps)
        return self.scalars[scalar][rows]


def where(layer: Row) -> str:
    """The name of a layer's row: a node, or a parameter of it."""
    return layer["node"] if layer["tensor"] == "y" else f"{layer['node']}.{layer['tensor']}"


def hidden(layers: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
    """Every pre-activation and its activation, in depth order; their "y" rows."""
    before: Row = {}
    for layer in layers:
        if layer["tensor"] != "y":
            continue
        if any(column in layer for column in ACTIVATIONS):
            yield before, layer
        before = layer


def read(rows: Iterable[Row]) -> History:
    """Take in a record, row by row.

    Args:
        rows: as ``ninja.records.rows`` yields them, the first step first; read once.
    """
    reader = _Reader()
    for row in rows:
        reader.take(row)
    return reader.history()


class _Reader:
    """Collects the numbers of the rows as they go by."""

    def __init__(self) -> None:
        self.scalars = {name: array("d") for name in ("step", *SCALARS)}
        self.steps = array("d")
        self.layers: dict[str, Row] = {}
        self.cells: dict[tuple[str, str], tuple[array[int], array[float]]] = {}
        self.apart: dict[int, str] = {}
        self.bad = 0
        self.first_bad: tuple[int | None, str] = (None, "")

    def take(self, row: Row) -> None:
        layers: Sequence[Row] = row.get("layers", ())
        for name, values in self.scalars.items():
            values.append(_number(row[name]) if name in row else math.nan)
        self._count("loss", row, row["step"])
        if "gap" in row:
            gaps = {where(layer): layer["gap"] for layer in layers if "gap" in layer}
            self.apart[row["step"]] = max(gaps, key=lambda name: _number(gaps[name]), default="")
        if not any("grad_norm" in layer or "delta_rms" in layer for layer in layers):
            return
        look = len(self.steps)
        self.steps.append(row["step"])
        for layer in layers:
            name = where(layer)
            self._count(name, layer, row["step"])
            for column, value in layer.items():
                if isinstance(value, float | int):
                    looks, values = self.cells.setdefault((name, column), (array("l"), array("d")))
                    looks.append(look)
                    values.append(_number(value) if column == "delta_rms" else value)
            self.layers[name] = {**self.layers.get(name, {}), **layer}

    def _count(self, name: str, columns: Row, step: int) -> None:
        bad = sum(not math.isfinite(columns[key]) for key in FINITE if key in columns)
        if bad and not self.bad:
            self.first_bad = (step, name)
        self.bad += bad

    def history(self) -> History:
        ordered = sorted(
            self.layers.values(), key=lambda of: (of.get("layer", 0), of["tensor"] != "y")
        )
        matrices = [where(of) for of in ordered if "update_ratio" in of]
        units = list(_units(ordered))
        names = [unit.name for unit in units]
        steps = self.scalars["step"]
        return History(
            np.array(self.steps),
            int(steps[-1]) if steps else None,
            {name: np.array(values) for name, values in self.scalars.items()},
            tuple(units),
            self._table([unit.source for unit in units], "delta_rms"),
            np.hypot(self._table(names, "act_mean"), self._table(names, "act_std")),
            self._table(names, "delta_rms"),
            {column: self._table(names, column) for column in UNITS},
            bool(ordered) and all(of["tensor"] != "y" for of in ordered),
            frozenset(where(of) for of in ordered if of["tensor"] != "y"),
            tuple(matrices),
            {column: self._table(matrices, column) for column in MATRICES},
            self.apart,
            (self.bad, *self.first_bad),
        )

    def _table(self, names: Sequence[str], column: str) -> Numbers:
        """(looks, names) of a column."""
        found = np.full((len(self.steps), len(names)), np.nan)
        for at, name in enumerate(names):
            looks, values = self.cells.get((name, column), (array("l"), array("d")))
            found[np.array(looks, dtype=int), at] = values
        return found


def _number(value: float) -> float:
    """What is no number is infinite: the other stands for what was not seen."""
    return math.inf if math.isnan(value) else float(value)


def _units(layers: Sequence[Row]) -> Iterator[Unit]:
    """The activations among all that the looks saw, with what comes before each."""
    weights: dict[str, str] = {}
    latest = ""
    for layer in layers:
        if "update_ratio" in layer or (layer["tensor"] == "weight" and layer["rule"] in WEIGHTED):
            latest = layer["node"]
        elif layer["tensor"] == "y":
            weights[layer["node"]] = latest
    for before, layer in hidden(layers):
        source = before["node"] if before else ""
        yield Unit(layer["node"], layer["rule"], source, weights.get(layer["node"], ""))
