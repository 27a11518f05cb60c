"""Where the activations and the gradients lie: counts between fixed edges."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ninja.probes.names import matrices
from ninja.probes.snapshot import Snapshot
from ninja.rules import Tanh
from ninja.rules.activations import Activation

BINS = 50


@dataclass(frozen=True)
class Histogram:
    """How the elements of one tensor are spread.

    Attributes:
        node: whose tensor it is.
        tensor: "y" or a parameter's name.
        of: the tensor's own values, or those of its delta.
        counts: (..., bins) int64. A bin holds its lower edge; the last one the upper edge too.
        edges: (..., bins + 1), rising, in the tensor's own dtype.
        outside: (...) int64, the elements that are not finite or lie beyond the edges.
    """

    node: str
    tensor: str
    of: Literal["value", "delta"]
    counts: Tensor
    edges: Tensor
    outside: Tensor


def histograms(snapshot: Snapshot, bins: int = BINS) -> tuple[Histogram, ...]:
    """Outputs of every activation, their deltas where there are some, deltas of every matrix.

    The edges of a tanh are those of its range, −1 and 1; all others are symmetric about 0, and
    reach as far as the largest finite element of the replica.
    """
    return tuple(
        Histogram(*name, *histogram(values, snapshot.lead, bins, limit))
        for name, values, limit in _tensors(snapshot)
    )


@torch.inference_mode()
def histogram(
    values: Tensor, lead: int, bins: int = BINS, limit: float | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Counts, edges and what lies outside, per replica; see `Histogram`.

    An element's bin is computed and not searched for, which is twenty times as fast; so one that
    lies within rounding of an inner edge may be counted on its other side.

    Args:
        values: (..., whatever dimensions).
        lead: number of leading replica dimensions.
        bins: how many.
        limit: the outermost edges are ±limit; by default ±the largest finite element.
    """
    values = values.flatten(lead) if lead < values.dim() else values.unsqueeze(-1)
    reach = torch.finfo(values.dtype).max if limit is None else limit
    largest = values.abs().amax(-1, keepdim=True)
    whole = bool((largest <= reach).all())
    if not whole:
        values = values.masked_fill(values.abs() > reach, torch.nan)
        largest = values.nan_to_num(0.0).abs_().amax(-1, keepdim=True)
    if limit is not None:
        largest = torch.full_like(largest, limit)
    else:
        largest = largest.masked_fill(largest == 0, 1.0)  # only zeros: any edges will do
    edges = largest * torch.linspace(-1, 1, bins + 1, dtype=values.dtype, device=values.device)
    # places: 0 for outside, then the bins; the uppermost edge belongs to the last of them
    place = (values / largest).add_(1).mul_(bins / 2)
    if not whole:
        place.nan_to_num_(-1.0)
    place = place.add_(1).clamp_(max=bins).long()
    counts = place.new_zeros((*place.shape[:-1], bins + 1))
    counts.scatter_add_(-1, place, place.new_ones(()).expand_as(place))
    return counts[..., 1:], edges, counts[..., 0]


Name = tuple[str, str, Literal["value", "delta"]]


def _tensors(snapshot: Snapshot) -> Iterator[tuple[Name, Tensor, float | None]]:
    """What there is to count, in depth order, with the limit of its edges."""
    weights = set(matrices(snapshot.params, snapshot.lead))
    for node in snapshot.net.nodes:
        deltas = snapshot.deltas.get(node.name, {})
        if isinstance(node.rule, Activation):
            limit = 1.0 if isinstance(node.rule, Tanh) else None
            yield (node.name, "y", "value"), snapshot.trace.saved[node.name]["y"], limit
            if "y" in deltas:
                yield (node.name, "y", "delta"), deltas["y"], None
        for key in snapshot.params[node.name]:
            if (node.name, key) in weights:
                yield (node.name, key, "delta"), deltas[key], None
