"""The numbers of one due step, as they come."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ninja.probes.blocks import Cell, Values

GRADIENTS = ("grad_norm", "delta_rms")
"""Columns that a scaled loss scales."""


@dataclass
class Seen:
    """What a row says of the layers.

    Attributes:
        step: its number.
        lr: its largest learning rate; not a number where none is known.
        scale: of its loss.
        stepped: the parameters may have moved.
        cells: where the numbers belong.
        values: as many, in parts.
        histograms: as plain data.
    """

    step: int
    lr: float
    scale: float
    stepped: bool
    cells: Sequence[Cell] = ()
    values: list[Values] = field(default_factory=list)
    histograms: list[dict[str, Any]] = field(default_factory=list)

    def numbers(self) -> list[float]:
        """All of them, as many as cells."""
        return np.concatenate(self.values).tolist() if self.values else []

    def of(self, column: str) -> list[float]:
        """The numbers of a column."""
        pairs = zip(self.cells, self.numbers(), strict=True)
        return [value for cell, value in pairs if cell.column == column]

    def is_skipped(self) -> bool:
        """Whether the step was given up: a scaled loss was too large for its gradients."""
        return not self.stepped and not all(map(math.isfinite, self.of("grad_norm")))

    def take(self, cells: Sequence[Cell], values: Values) -> None:
        """Take in numbers, of an unscaled loss."""
        if self.scale != 1.0:
            scaled = np.array([cell.column in GRADIENTS for cell in cells], dtype=bool)
            values = np.where(scaled, values / self.scale, values)
        self.cells = [*self.cells, *cells] if self.cells else cells
        self.values.append(values)
