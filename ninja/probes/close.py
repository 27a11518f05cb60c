"""A closer look at the hidden units: what changes slowly, or costs more than a step should."""

import numpy as np
import torch
from torch import Tensor

from ninja.net import Net, Node
from ninja.probes.blocks import Block, outputs
from ninja.probes.layers import activations_of
from ninja.probes.moments import (
    bessel,
    host,
    means,
    mend_norms,
    mend_variances,
    norms,
    variances,
)
from ninja.probes.twins import is_twin
from ninja.rules import GELU, ReLU, Rule, Sigmoid, Tanh
from ninja.types import Tensors, Trace

LINEAR = 0.1
"""Size of a pre-activation below which tanh is as good as a straight line."""

STEEPEST: dict[type[Rule], float] = {
    Tanh: 1.0,
    Sigmoid: 0.25,
    ReLU: 1.0,
    GELU: 1.1289,  # at √2
}
"""The largest slope of the activations that have flat parts."""

CLOSED = 0.1
"""Share of its largest slope below which a unit's mean slope counts as a closed gate."""


@torch.inference_mode()
def close_blocks(net: Net, trace: Trace) -> list[Block]:
    """More columns of every activation.

    =========  ==============================================================================
    act_mean   mean of its pre-activation, the output of the node it reads
    act_std    its deviation (unbiased)
    linear     share of elements whose pre-activation lies within ±0.1
    twins      share of units whose output equals another unit's on every row
    gate       share of units whose mean φ′ is below a tenth of its maximum: a tanh or sigmoid at
               its ends, a ReLU or GELU that hardly ever acts
    =========  ==============================================================================

    Args:
        net: the network.
        trace: of one forward pass.
    """
    nodes = activations_of(net)
    if not nodes:
        return []
    both = [_linear(node, trace) for node in nodes] + [_twins(node, trace) for node in nodes]
    names = [node.name for node in nodes]
    blocks = [outputs(("linear", "twins"), names, host(both)), _pre_activations(nodes, trace)]
    gates = [node for node in nodes if type(node.rule) in STEEPEST]
    if gates:
        closed = host([closed_share(node.rule, trace.saved[node.name]) for node in gates])
        blocks.append(outputs(("gate",), [node.name for node in gates], closed))
    return blocks


def _pre_activations(nodes: list[Node], trace: Trace) -> Block:
    units = {node.name for node in nodes}
    names = list(dict.fromkeys(node.inputs[0] for node in nodes if node.inputs[0] not in units))
    x = [trace.saved[name]["y"].reshape(max(trace.loss.numel(), 1), -1) for name in names]
    norm, mean = host(norms(x)), host(means(x))
    mend_norms(norm, x)
    size = np.array([[one.shape[-1]] for one in x], dtype=np.float64)
    with np.errstate(all="ignore"):
        variance = variances(norm, mean, size)
        mend_variances(variance, norm, size, x)
        deviation = np.sqrt(variance * bessel(size))
    values = np.concatenate([mean, deviation])
    return outputs(("act_mean", "act_std"), names, values.reshape(-1, *trace.loss.shape))


def _linear(node: Node, trace: Trace) -> Tensor:
    return linear_share(trace.saved[node.inputs[0]]["y"], trace.saved[node.name]["y"])


def _twins(node: Node, trace: Trace) -> Tensor:
    return twin_share(trace.saved[node.name]["y"])


def linear_share(x: Tensor, y: Tensor) -> Tensor:
    """Share of elements that never leave an activation's linear part, (...).

    Args:
        x: (..., N, F), its input.
        y: (..., N, F), its output.
    """
    return x.abs().lt_(LINEAR).mean((-2, -1)) + _finite(x) + _finite(y)


def twin_share(y: Tensor) -> Tensor:
    """Share of units whose column equals another's, (...).

    Args:
        y: (..., N, F), an activation's output.
    """
    return is_twin(y).to(y.dtype).mean(-1) + _finite(y)


def closed_share(rule: Rule, saved: Tensors) -> Tensor:
    """Share of units whose mean φ′ is below a tenth of its maximum, (...).

    φ′ is the delta of x for dy = 1, by the rule.

    Args:
        rule: an activation of `STEEPEST`.
        saved: what its forward leaves, (..., N, F) each; "y" is enough but for a GELU.
    """
    y = saved["y"]
    slope, _ = rule.backward({}, saved, y.new_ones(()).expand_as(y))
    assert isinstance(slope, Tensor)
    return slope.mean(-2).lt_(CLOSED * STEEPEST[type(rule)]).mean(-1) + _finite(y)


def _finite(y: Tensor) -> Tensor:
    """(...) zeros; not a number where an element is not finite."""
    return (y * 0).sum((-2, -1))
