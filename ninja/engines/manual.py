"""The engines by hand: walk the nodes backwards, let each rule pull its delta back."""

from dataclasses import dataclass

import torch

from ninja.errors import ShapeError
from ninja.net import Net
from ninja.recompute import Recomputed
from ninja.types import Deltas, Gradients, Tensors, Trace, Watch


@dataclass(frozen=True)
class Manual:
    """``manual_atomic`` goes through every intermediate, ``manual_fused`` by closed forms.

    Neither ever calls autograd.
    """

    fused: bool
    graph: bool = False

    def __call__(self, net: Net, trace: Trace, watch: Watch = "params") -> Gradients:
        """See `Engine`. Returns all that the rules computed, as inference tensors.

        Where intermediates are not kept, neither are their deltas, unless they are watched.

        Raises:
            ShapeError: a rule returned a delta that has not its parameter's shape. It would
                broadcast in the update, silently.
        """
        with torch.inference_mode():
            return Gradients(self.pulled(net, trace, watch))

    def pulled(self, net: Net, trace: Trace, watch: Watch = "params") -> Deltas:
        """The same in whatever mode torch is: what a compiler can read."""
        deltas: Deltas = {}
        every = watch == "all" or not isinstance(trace.saved, Recomputed)
        outputs: Tensors = {net.nodes[-1].name: torch.ones_like(trace.loss)}
        for node in reversed(net.nodes):
            dy = outputs.pop(node.name)
            params, saved = trace.bound[node.name], trace.saved[node.name]
            backward = node.rule.backward_fused if self.fused else node.rule.backward
            dx, inner = backward(params, saved, dy)
            _check_shapes(node.name, params, inner)
            deltas[node.name] = {"y": dy, **inner} if every else {key: inner[key] for key in params}
            for source, delta in zip(node.inputs, _each(dx), strict=False):
                # a node that several others read: their deltas accumulate
                earlier = outputs.get(source)
                outputs[source] = delta if earlier is None else earlier + delta
        return deltas


def _each(dx: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return dx if isinstance(dx, tuple) else (dx,)


def _check_shapes(name: str, params: Tensors, deltas: Tensors) -> None:
    for key, param in params.items():
        if deltas[key].shape != param.shape:
            raise ShapeError(
                f"{name}.{key}: the delta has shape {tuple(deltas[key].shape)}, "
                f"its parameter {tuple(param.shape)}"
            )
