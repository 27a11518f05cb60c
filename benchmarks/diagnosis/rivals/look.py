"""A record as the rivals' rules read it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmarks.diagnosis.cache import Record
from benchmarks.diagnosis.cases import Run

Layer = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """One step that was looked at.

    Attributes:
        step: its number.
        layers: extras and columns of every tensor, in depth order.
    """

    step: int
    layers: Sequence[Layer]

    def having(self, *columns: str) -> Iterator[Layer]:
        """The tensors that have all of these columns."""
        return (layer for layer in self.layers if all(column in layer for column in columns))

    @cached_property
    def matrices(self) -> list[Layer]:
        """Weights of the linear layers, and what else is a matrix but no embedding."""
        return [of for of in self.layers if "update_ratio" in of and of["rule"] != "embedding"]

    @cached_property
    def units(self) -> list[Layer]:
        """Activations' outputs."""
        return list(self.having("y_mean"))


@dataclass(frozen=True)
class Seen:
    """A run, as far as it was seen.

    Attributes:
        looks: at its tensors.
        history: its loss at every step.
        accuracy: of its batch at every step.
        run: what was trained.
        losses: in the end; empty before.
    """

    looks: list[Look]
    history: list[float]
    accuracy: list[float]
    run: Run
    losses: dict[str, float]

    @classmethod
    def of(cls, record: Record, run: Run) -> "Seen":
        """Columns and extras of the same tensor come together."""
        columns = {row["step"]: row.get("layers", []) for row in record.rows}
        looks = [Look(step, _merged(columns[step], beside)) for step, beside in record.extras]
        return cls(looks, record.history, record.accuracy, run, record.losses)

    def windows(self, values: Sequence[float], size: int) -> list[float]:
        """Means of whole windows of so many steps."""
        ends = range(size, len(values) + 1, size)
        return [sum(values[end - size : end]) / size for end in ends]


def _merged(columns: Sequence[Layer], extras: Sequence[Layer]) -> list[Layer]:
    found = {(layer["node"], layer["tensor"]): dict(layer) for layer in columns}
    for layer in extras:
        found.setdefault((layer["node"], layer["tensor"]), {}).update(layer)
    return sorted(found.values(), key=lambda of: (of["layer"], of["tensor"] != "y"))


def name(layer: Layer) -> str:
    """As `ninja.evidence.where`."""
    return layer["node"] if layer["tensor"] == "y" else f"{layer['node']}.{layer['tensor']}"


def bad(*values: float) -> bool:
    """Whether one of them is infinite or not a number."""
    return not all(map(math.isfinite, values))
