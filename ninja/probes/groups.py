"""Many small tensors at once: a step then costs a few operations a shape, not a few a layer."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from ninja.probes.names import Names

T = TypeVar("T")

BUNDLE = 1 << 16
"""Elements up to which small tensors are worth copying side by side; it fits the cache."""


class Cell(NamedTuple):
    """Where a number belongs: a column of one tensor of one node ("y" is the node's output)."""

    node: str
    tensor: str
    column: str


class Block(NamedTuple):
    """Numbers that were computed together, and where they belong.

    Attributes:
        columns: their names.
        names: node and tensor.
        values: (columns · names, ...), the first column's first.
    """

    columns: tuple[str, ...]
    names: Names
    values: Tensor

    def cells(self) -> list[Cell]:
        """The place of each value."""
        return [Cell(node, key, column) for column in self.columns for node, key in self.names]


def bundles(items: Iterable[T], tensor: Callable[[T], Tensor]) -> Iterator[list[T]]:
    """The items whose tensors have one shape, as many together as `BUNDLE` allows, at least one."""
    groups: dict[torch.Size, list[T]] = {}
    for item in items:
        groups.setdefault(tensor(item).shape, []).append(item)
    for shape, group in groups.items():
        size = max(1, BUNDLE // max(1, shape.numel()))
        yield from (group[start : start + size] for start in range(0, len(group), size))


def together(tensors: list[Tensor]) -> Tensor:
    """K tensors of one shape as (K, *shape). A single one is not copied."""
    return torch.stack(tensors) if len(tensors) > 1 else tensors[0].unsqueeze(0)
