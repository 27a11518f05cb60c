"""How far two engines are apart, node by node: which layer's backward is the wrong one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ninja.agreement import gap
from ninja.probes.names import flat, names_of
from ninja.types import Deltas, Params, Tensors


@dataclass(frozen=True)
class Gaps:
    """Distances over the norm of the whole reference gradient.

    Attributes:
        total: (...) of the network, `ninja.agreement.gap`.
        nodes: (...) of every node that has parameters; their squares add up to the total's.
    """

    total: Tensor
    nodes: Tensors


@torch.inference_mode()
def gaps(deltas: Deltas, reference: Deltas, params: Params, lead: int) -> Gaps:
    """Compare two gradients of one trace.

    A node is measured by the whole network's gradient and not by its own, which may be zero.

    Args:
        deltas: in question; may hold more than the parameters'.
        reference: what they should be.
        params: names the tensors to compare.
        lead: number of leading replica dimensions.
    """
    whole = torch.cat(flat(reference, names_of(params), lead), dim=-1)
    # sums of squares overflow and underflow long before the gradients do
    unit = whole.abs().amax(-1, keepdim=True)
    unit = torch.where(unit == 0, torch.ones_like(unit), unit)
    size = (whole / unit).norm(dim=-1)
    nodes: Tensors = {}
    for node, tensors in params.items():
        if not tensors:
            continue
        given, correct = (
            torch.cat(flat(side, names_of({node: tensors}), lead), dim=-1)
            for side in (deltas, reference)
        )
        distance = ((given - correct) / unit).norm(dim=-1)
        nodes[node] = torch.where(distance == 0, distance, distance / size)
    return Gaps(gap(deltas, reference, params, lead), nodes)
