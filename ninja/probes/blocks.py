"""Numbers that were computed together, and where each belongs."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ninja.net import Net, Node
from ninja.probes.names import Names
from ninja.rules.activations import Activation

Values = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
"""(numbers, ...): one column of the replicas' shape for each."""


class Cell(NamedTuple):
    """Where a number belongs: a column of one tensor of one node ("y" is the node's output)."""

    node: str
    tensor: str
    column: str


class Block(NamedTuple):
    """Numbers that were computed together.

    Attributes:
        columns: their names.
        names: node and tensor.
        values: (columns · names, ...), the first column's first.
    """

    columns: tuple[str, ...]
    names: Names
    values: Values

    def cells(self) -> list[Cell]:
        """The place of each value."""
        return [Cell(node, key, column) for column in self.columns for node, key in self.names]


def numbers(blocks: Iterable[Block]) -> Values:
    """The blocks' numbers, one after the other, (cells, ...)."""
    return np.concatenate([block.values for block in blocks])


def outputs(columns: tuple[str, ...], nodes: Iterable[str], values: Values) -> Block:
    """A block of nodes' outputs."""
    return Block(columns, [(node, "y") for node in nodes], values)


Place = tuple[int, str, str, str, str]
"""Depth, node, rule, tensor and column: what the record says of a number."""


def places(net: Net, cells: list[Cell]) -> list[Place]:
    """Where numbers belong in the record."""
    depth = {node.name: (index, rule_kind(node)) for index, node in enumerate(net.nodes)}
    return [
        (depth[cell.node][0], cell.node, depth[cell.node][1], cell.tensor, cell.column)
        for cell in cells
    ]


def rule_kind(node: Node) -> str:
    """What the record calls a rule: by the name it has in a config if it has one."""
    rule = node.rule
    return rule.name if isinstance(rule, Activation) else type(rule).__name__.lower()
