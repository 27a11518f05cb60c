"""The engine that everything is compared with: torch's own."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ninja.net import Net
from ninja.recompute import Part, parts
from ninja.rules import intermediates
from ninja.types import Deltas, Gradients, Tensors, Trace, Watch

Arriving = dict[str, Tensor | None]
"""Deltas on their way to the nodes whose outputs they are of; none of the loss, which is 1."""


@dataclass(frozen=True)
class Autograd:
    """`torch.autograd.grad` over the graph of the same forward: no hooks, no `retain_grad`."""

    graph: bool = True

    def __call__(self, net: Net, trace: Trace, watch: Watch = "params") -> Gradients:
        """See `Engine`. A tensor that the loss does not depend on has a delta of zeros."""
        deltas: Deltas = {}
        arriving: Arriving = {net.nodes[-1].name: None}
        for part in parts(net, trace):
            deltas |= _pulled(part, arriving, watch)
            del part  # its memory is the next one's
        return Gradients(deltas)


def _pulled(part: Part, arriving: Arriving, watch: Watch) -> Deltas:
    """The deltas of one pass.

    Args:
        part: of the trace.
        arriving: what later passes send back. What this one takes goes, what it sends comes.
        watch: which deltas are wanted.
    """
    trace = part.trace
    watched: dict[str, Tensors] = {
        node.name: dict(trace.bound[node.name]) for node in part.net.nodes
    }
    if watch == "all":
        for name, saved in trace.saved.items():
            watched[name] |= intermediates(saved)
    watched[""] = part.entering
    tensors = [tensor for named in watched.values() for tensor in named.values()]
    roots, arrived = _roots(part, arriving)
    # the graph goes with the trace, and another engine may want it yet
    pulled = torch.autograd.grad(roots, tensors, arrived, retain_graph=True, materialize_grads=True)
    grads = iter(pulled)
    deltas: Deltas = {name: {key: next(grads) for key in named} for name, named in watched.items()}
    arriving |= deltas.pop("")
    return deltas


def _roots(part: Part, arriving: Arriving) -> tuple[list[Tensor], list[Tensor | None]]:
    """Where the deltas of a pass begin, and with what.

    What entered is a root too, if a later pass has read it: its deltas are then added up in the
    order in which one graph adds them.
    """
    outputs = part.entering | {name: saved["y"] for name, saved in part.trace.saved.items()}
    roots: list[Tensor] = []
    arrived: list[Tensor | None] = []
    for name in [name for name in arriving if name in outputs]:
        delta, root = arriving.pop(name), outputs[name]
        if delta is None and root.dim():
            with torch.enable_grad():
                # a single number: for a gradient that it is given torch would load sympy, a second
                root = root.sum()
        roots.append(root)
        arrived.append(delta)
    return roots, arrived
