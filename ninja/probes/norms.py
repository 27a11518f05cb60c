"""The size of every parameter, of its gradient, and of its update."""

import torch
from torch import Tensor

from ninja.probes.groups import Block, bundles, together
from ninja.probes.names import matrices, names_of, picked
from ninja.types import Deltas, Params


@torch.inference_mode()
def parameter_blocks(before: Params, after: Params, deltas: Deltas, lead: int) -> list[Block]:
    """The columns of every parameter.

    ============  ==============================================================
    grad_norm     ‖∂loss/∂w‖
    weight_norm   ‖w‖ before the update
    update_ratio  log10(std(applied Δw)/std(w)), of matrices only; `update_ratio`
    ============  ==============================================================

    Args:
        before: the parameters before the update.
        after: the same after it.
        deltas: their gradients; may hold more.
        lead: number of leading replica dimensions.
    """
    blocks: list[Block] = []
    weights = set(matrices(before, lead))
    for names in bundles(names_of(before), lambda name: before[name[0]][name[1]]):
        grad, old = (together(picked(side, names)).flatten(lead + 1) for side in (deltas, before))
        # in float32 the squares of a vanishing gradient, below 1e-19, would vanish
        norm = torch.linalg.vector_norm(grad, dim=-1, dtype=torch.float64)
        blocks.append(Block(("grad_norm",), names, norm))
        blocks.append(Block(("weight_norm",), names, torch.linalg.vector_norm(old, dim=-1)))
        if names[0] in weights:  # and the others, which have its shape
            new = together(picked(after, names)).flatten(lead + 1)
            blocks.append(Block(("update_ratio",), names, update_ratio(old, new)))
    return blocks


@torch.inference_mode()
def update_ratio(before: Tensor, after: Tensor) -> Tensor:
    """log10(std(applied Δw)/std(w)), w as it was before the update.

    For SGD this is the lecture's log10(std(lr·grad)/std(w)); about −3 is healthy. −∞ is a matrix
    that did not move, +∞ one whose elements were all equal, and not a number one that was both.

    Args:
        before: (..., elements).
        after: the same.

    Returns:
        (...).
    """
    both = torch.stack([after - before, before])
    spread = torch.linalg.vector_norm(both - both.mean(-1, keepdim=True), dim=-1)
    # both have the same number of elements: it leaves the ratio, and Bessel's correction with it
    return (spread[0] / spread[1]).log10_()
