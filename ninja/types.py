"""The values that flow through the harness. Everything is a plain dictionary of tensors.

Shapes are written from the right. A leading ``...`` is the replica's dimension: R runs of the same
shape train as one stack ``(R, ...)``, and a single run is the case without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

Shape = tuple[int, ...]

Tensors = dict[str, Tensor]
"""Named tensors of one rule."""

Params = dict[str, Tensors]
"""Trainable tensors, by node name and tensor name."""

Buffers = dict[str, Tensors]
"""Running statistics: state that no gradient reaches. Same keys as `Params`."""

Deltas = dict[str, Tensors]
"""Gradients. The delta of a tensor t is ∂loss/∂t, has exactly its shape, and its keys."""

Watch = Literal["params", "all"]
"""What a backward pass is asked for: the parameters' deltas, or every intermediate's as well."""


class Batch(NamedTuple):
    """One minibatch.

    Attributes:
        tokens: (..., B, T) int64, the contexts.
        targets: (..., B) int64, the next token of each context.
    """

    tokens: Tensor
    targets: Tensor


@dataclass(frozen=True, slots=True)
class Trace:
    """What one forward pass leaves behind: all that a backward engine needs.

    Attributes:
        loss: (...) one value per replica, no dimension for a single run.
        saved: every named intermediate of every node, in forward order; a node's output is "y".
            What is not kept is computed again when it is asked for (`ninja.recompute`).
        bound: the parameters the forward used. With a graph they are leaves of that graph.
    """

    loss: Tensor
    saved: Mapping[str, Tensors]
    bound: Params


class Gradients(NamedTuple):
    """What a backward engine returns.

    Attributes:
        deltas: ∂loss/∂t for every parameter, and for the intermediates that the engine computes.
        gap: (...) distance from a second engine on the same trace, when one was asked (`Checked`).
    """

    deltas: Deltas
    gap: Tensor | None = None
