"""The engine that everything is compared with: torch's own."""

from dataclasses import dataclass

import torch

from ninja.net import Net
from ninja.rules import intermediates
from ninja.types import Deltas, Gradients, Tensors, Trace, Watch


@dataclass(frozen=True)
class Autograd:
    """`torch.autograd.grad` over the graph of the same forward: no hooks, no `retain_grad`."""

    graph: bool = True

    def __call__(self, net: Net, trace: Trace, watch: Watch = "params") -> Gradients:
        """See `Engine`. A tensor that the loss does not depend on has a delta of zeros."""
        watched: dict[str, Tensors] = {
            node.name: dict(trace.bound[node.name]) for node in net.nodes
        }
        if watch == "all":
            for name, saved in trace.saved.items():
                watched[name] |= intermediates(saved)
        tensors = [tensor for named in watched.values() for tensor in named.values()]
        with torch.enable_grad():
            # a single number: for a gradient that it is given torch would load sympy, a second
            root = trace.loss.sum() if trace.loss.dim() else trace.loss
        # the graph goes with the trace, and another engine may want it yet
        grads = iter(torch.autograd.grad(root, tensors, retain_graph=True, materialize_grads=True))
        deltas: Deltas = {
            name: {key: next(grads) for key in named} for name, named in watched.items()
        }
        return Gradients(deltas)
