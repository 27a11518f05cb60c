"""A network: a sequence of named rules, one forward, and the trace it leaves behind."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from ninja.init import Fill, Generators
from ninja.rules import Rule
from ninja.types import Batch, Buffers, Params, Tensors, Trace


@dataclass(frozen=True)
class Node:
    """One rule in its place.

    Attributes:
        name: unique; zero-padded in depth order, so that sorting is depth ("03.tanh").
        rule: what it computes.
        inputs: the names of the nodes it reads, or "tokens" and "targets" of the batch.
        init: how each of the rule's parameters is filled, in drawing order.
    """

    name: str
    rule: Rule
    inputs: tuple[str, ...]
    init: Mapping[str, Fill] = field(default_factory=dict)


@dataclass(frozen=True)
class Net:
    """Nodes in the order of the forward pass; the last one is the loss.

    A node may be read by several others: its delta is then the sum of what they send back.
    """

    nodes: tuple[Node, ...]

    def forward(self, params: Params, batch: Batch, *, graph: bool = False) -> Trace:
        """The one forward pass, whatever engine follows. Keeps every named intermediate.

        Args:
            params: by node and tensor, with a leading replica dimension or without.
            batch: with the same leading dimension.
            graph: let autograd record it too; the parameters are then bound as leaves. Without a
                graph the tensors of the trace are torch's inference tensors: an eighth faster,
                and closed to autograd for good.
        """
        bound = leaves(params) if graph else params
        with torch.inference_mode(mode=not graph), torch.set_grad_enabled(graph):
            return self.traced(bound, batch)

    def traced(self, bound: Params, batch: Batch, entering: Tensors | None = None) -> Trace:
        """`forward` in whatever mode torch is: what a compiler can read.

        Args:
            bound: the parameters.
            batch: the examples.
            entering: outputs of nodes that this net reads and another has; none of a whole net.
        """
        values: Tensors = {"tokens": batch.tokens, "targets": batch.targets, **(entering or {})}
        saved: dict[str, Tensors] = {}
        for node in self.nodes:
            inputs = [values[name] for name in node.inputs]
            saved[node.name] = node.rule.forward(bound[node.name], *inputs)
            values[node.name] = saved[node.name]["y"]
        return Trace(values[self.nodes[-1].name], saved, bound)

    def evaluation(self) -> "Net":
        """The network as it is evaluated. Its params are `merge(params, buffers)`."""
        return Net(tuple(replace(node, rule=node.rule.evaluation()) for node in self.nodes))

    def buffers(self) -> Buffers:
        """The running statistics before the first step, of the nodes that have some."""
        return {
            node.name: {name: torch.full(*made) for name, made in node.rule.buffers().items()}
            for node in self.nodes
            if node.rule.buffers()
        }

    def running(self, buffers: Buffers, trace: Trace) -> Buffers:
        """The running statistics after the batch that made this trace.

        They join no graph of it: each would keep the graphs of all batches before.
        """
        rules = {node.name: node.rule for node in self.nodes}
        with torch.no_grad():
            return {
                name: rules[name].running(tensors, trace.saved[name])
                for name, tensors in buffers.items()
            }


def draw(net: Net, generators: Generators, dtype: torch.dtype = torch.float32) -> Params:
    """The first parameters of a single run. Every node has an entry, if only an empty one.

    Drawn in float32 and in the order of the nodes, so that both dtypes start at the same values.
    """
    return {
        node.name: {
            name: node.init[name].draw(shape, generators).to(dtype)
            for name, shape in node.rule.shapes().items()
        }
        for node in net.nodes
    }


def merge(params: Params, buffers: Buffers) -> Params:
    """Parameters and running statistics side by side: what an evaluation network reads."""
    return {name: tensors | buffers.get(name, {}) for name, tensors in params.items()}


def count(params: Params) -> int:
    """The number of trainable values."""
    return sum(tensor.numel() for tensors in params.values() for tensor in tensors.values())


def leaves(params: Params) -> Params:
    """The same values, as leaves of a graph to come."""
    return {
        name: {key: tensor.detach().requires_grad_() for key, tensor in tensors.items()}
        for name, tensors in params.items()
    }
