"""Whether a network, as it was called, is a stack of fully connected hidden layers."""

from collections.abc import Mapping, Sequence

from torch import nn

from ninja.observe.calls import Call
from ninja.observe.nodes import Node
from ninja.observe.stack import Link
from ninja.theory import NAMED

TRANSPARENT = ("dropout", "identity", "flatten")
"""Modules that change no mean square, but by a factor that is known."""


def links(calls: Mapping[Node, Sequence[Call]]) -> list[Link] | str:
    """From each hidden layer to the next; or in words, why mean-field theory does not apply.

    Args:
        calls: of every node, in the order of the forward.
    """
    acts = [(node, of[0]) for node, of in calls.items() if node.acts]
    several = next((node.name for node, _ in acts if len(calls[node]) > 1), "")
    if several:
        return f"{several} is called several times"
    if len(acts) < 2:
        return f"there {'is one hidden layer' if acts else 'are no hidden layers'}, and no depth"
    found: list[Link] = []
    before: Call | None = None
    for node, act in acts:
        if node.kind not in NAMED:
            return f"{node.name} is a {node.kind}, whose theory is not known here"
        linear = _linear(act.source)
        if linear is None or act.source is None:
            return f"{node.name} does not read a linear layer alone"
        read, kept = _through(act.source.source)
        if before is not None:
            if read is not before:
                return f"between {before.node.name} and {node.name} is more than one linear layer"
            found.append(Link(linear, kept))
        before = act
    return found


def _linear(call: Call | None) -> nn.Linear | None:
    module = None if call is None or call.place is None else call.place.module
    return module if type(module) is nn.Linear else None


def _through(call: Call | None) -> tuple[Call | None, float]:
    """What was read, behind what is transparent, and the factor of that."""
    kept = 1.0
    while call is not None and call.node.kind in TRANSPARENT:
        module = None if call.place is None else call.place.module
        if isinstance(module, nn.Dropout) and module.training:
            kept /= 1 - module.p
        call = call.source
    return call, kept
