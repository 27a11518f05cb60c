"""The rows of the record: every layer of a step, in depth order, with its columns."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from ninja.net import Node
from ninja.probes.activity import activity_blocks, delta_blocks
from ninja.probes.groups import Block
from ninja.probes.norms import parameter_blocks
from ninja.probes.snapshot import Snapshot
from ninja.rules.activations import Activation
from ninja.types import Tensors

COLUMNS = (
    *("grad_norm", "weight_norm", "update_ratio"),
    *("delta_rms", "act_mean", "act_std"),
    *("saturated", "gate", "linear", "dead", "twins"),
)
"""Every column there is, in the record's order."""


class Layer(NamedTuple):
    """What there is to say of one tensor of one node.

    Attributes:
        node: its name, zero-padded in depth order.
        rule: what it computes, by the name it has in a config if it has one ("tanh", "batchnorm").
        tensor: "y" for the node's output, or a parameter's name.
        columns: of `COLUMNS` those that apply, (...) float64 each. Not a number is a finding.
    """

    node: str
    rule: str
    tensor: str
    columns: Tensors


@torch.inference_mode()
def layer_blocks(snapshot: Snapshot) -> list[Block]:
    """All columns of all layers, in no order: a block's numbers were computed together."""
    before, deltas, lead = snapshot.params_before, snapshot.deltas, snapshot.lead
    return [
        *delta_blocks(deltas, lead),
        *activity_blocks(snapshot.net, snapshot.trace, deltas),
        *parameter_blocks(before, snapshot.params_after, deltas, lead),
    ]


def numbers(blocks: Iterable[Block]) -> Tensor:
    """The blocks' numbers, one after the other, (cells, ...) float64: for one `tolist()`."""
    return torch.cat([block.values for block in blocks]).double()


def layer_rows(snapshot: Snapshot) -> tuple[Layer, ...]:
    """Each node's output, then its parameters; without those of which there is nothing to say."""
    blocks = layer_blocks(snapshot)
    found: dict[tuple[str, str], Tensors] = {}
    for block in blocks:
        for cell, value in zip(block.cells(), block.values.double().unbind(), strict=True):
            found.setdefault((cell.node, cell.tensor), {})[cell.column] = value
    return tuple(
        Layer(node.name, rule_kind(node), tensor, found[node.name, tensor])
        for node in snapshot.net.nodes
        for tensor in ("y", *snapshot.params_before[node.name])
        if (node.name, tensor) in found
    )


def rule_kind(node: Node) -> str:
    """What the record calls a rule."""
    rule = node.rule
    return rule.name if isinstance(rule, Activation) else type(rule).__name__.lower()
