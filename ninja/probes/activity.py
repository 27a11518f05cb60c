"""What the hidden units do, and what comes back to them.

Every column is a share or a moment over the rows and features of one batch. A column that says
nothing of a layer is left out; one that is not a number is a finding: the layer holds something
that is not finite.
"""

import math

import torch
from torch import Tensor

from ninja.net import Net, Node
from ninja.probes.groups import Block, bundles, together
from ninja.probes.twins import is_twin
from ninja.rules import Rule, Sigmoid, Tanh
from ninja.rules.activations import Activation
from ninja.types import Deltas, Trace

SATURATED = 0.97
"""The lecture's bound: a tanh beyond it counts as saturated."""

LINEAR = 0.1
"""Size of a pre-activation below which tanh is as good as a straight line."""

CLOSED = 0.1
"""Share of its largest slope below which a unit's mean slope counts as a closed gate."""

STEEPEST: dict[type[Rule], float] = {Tanh: 1.0, Sigmoid: 0.25}
"""The largest slope of the activations that saturate: it lies at 0."""


@torch.inference_mode()
def activity_blocks(net: Net, trace: Trace, deltas: Deltas) -> list[Block]:
    """The columns of every activation and of the node it reads, its pre-activation.

    =========  ==============================================================================
    act_mean   mean of the output; of the pre-activation too
    act_std    its deviation (unbiased); of the pre-activation too
    saturated  share of elements with abs(y) > 0.97; tanh, and 2y − 1 of a sigmoid
    gate       share of units whose mean φ′ is below a tenth of its maximum; tanh and sigmoid
    linear     share of elements whose pre-activation lies within ±0.1
    dead       share of units whose pre-activation gets a delta of exactly 0 from every row
    twins      share of units whose output equals another unit's on every row
    =========  ==============================================================================

    Args:
        net: the network.
        trace: of one forward pass.
        deltas: "dead" is left out where they have no delta of the pre-activation.
    """
    kinds: dict[Activation, list[Node]] = {}
    for node in net.nodes:
        if isinstance(node.rule, Activation):
            kinds.setdefault(node.rule, []).append(node)
    blocks: list[Block] = []
    for rule, nodes in kinds.items():
        for bundle in bundles(nodes, lambda node: trace.saved[node.name]["y"]):
            names, sources = [node.name for node in bundle], [node.inputs[0] for node in bundle]
            blocks += _outputs(rule, names, sources, trace)
            if all("y" in deltas.get(source, {}) for source in sources):
                dx = together([deltas[source]["y"] for source in sources])
                blocks.append(_block(("dead",), names, dead(dx)))
    return blocks


@torch.inference_mode()
def delta_blocks(deltas: Deltas, lead: int) -> list[Block]:
    """delta_rms, √(mean of squares) of ∂loss/∂y, of every node that has one but the loss."""
    outputs = {
        name: tensors["y"].flatten(lead)
        for name, tensors in deltas.items()
        if "y" in tensors and tensors["y"].dim() > lead
    }
    blocks: list[Block] = []
    for names in bundles(outputs, outputs.__getitem__):
        dy = together([outputs[name] for name in names])
        # summed in float64: in float32 the squares of a vanishing delta, below 1e-19, would vanish
        norm = torch.linalg.vector_norm(dy, dim=-1, dtype=torch.float64)
        blocks.append(_block(("delta_rms",), names, norm / math.sqrt(dy.shape[-1])))
    return blocks


@torch.inference_mode()
def dead(dx: Tensor) -> Tensor:
    """Share of units that send no gradient back on any row; not a number where dx is not finite.

    Args:
        dx: (..., N, F), the deltas of the pre-activations.

    Returns:
        (...) of its dtype.
    """
    largest = dx.abs().amax(-2)
    return largest.eq(0).to(dx.dtype).mean(-1) + largest.amax(-1) * 0


def _outputs(rule: Activation, names: list[str], sources: list[str], trace: Trace) -> list[Block]:
    """Columns of K activations of one rule and shape."""
    K = len(names)
    both = together([trace.saved[name]["y"] for name in [*sources, *names]])  # (2K, ..., N, F)
    y = both[K:]
    mean, std = _moments(both.flatten(-2))
    finite = std * 0  # not a number where something is not finite, or too large to be added up
    # zeros and ones as floats: a comparison into booleans takes eight times as long
    ones = both.abs()
    ones[:K].lt_(LINEAR)
    units, columns = [is_twin(y).to(y.dtype)], ("twins",)
    if type(rule) in STEEPEST:
        if isinstance(rule, Sigmoid):
            torch.sub(2 * y, 1, out=ones[K:]).abs_()
        ones[K:].gt_(SATURATED)
        units.append(_closed(rule, names, trace))
        columns = ("twins", "gate")
        shares = _block(("linear", "saturated"), names, ones.mean((-2, -1)) + finite)
    else:
        shares = _block(("linear",), names, ones[:K].mean((-2, -1)) + finite[:K])
    unit_shares = torch.stack(units).mean(-1) + finite[K:]
    return [
        _block(("act_mean",), [*sources, *names], mean),
        _block(("act_std",), [*sources, *names], std),
        shares,
        _block(columns, names, unit_shares.flatten(0, 1)),
    ]


def _moments(y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased deviation along the last dimension; a tenth of `Tensor.std`'s time."""
    mean = y.mean(-1, keepdim=True)
    norm = torch.linalg.vector_norm(y - mean, dim=-1, dtype=torch.float64)
    others = y.shape[-1] - 1
    return mean.squeeze(-1), norm * (1 / math.sqrt(others) if others else math.nan)


def _closed(rule: Activation, names: list[str], trace: Trace) -> Tensor:
    """(K, ..., F): 1 where the gate is closed. φ′ is the delta of x for dy = 1, by the rule."""
    saved = {
        key: together([trace.saved[name][key] for name in names]) for key in trace.saved[names[0]]
    }
    y = saved["y"]
    slope, _ = rule.backward({}, saved, y.new_ones(()).expand_as(y))
    assert isinstance(slope, Tensor)
    return slope.mean(-2).lt_(CLOSED * STEEPEST[type(rule)])


def _block(columns: tuple[str, ...], nodes: list[str], values: Tensor) -> Block:
    return Block(columns, [(node, "y") for node in nodes], values)
