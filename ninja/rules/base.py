"""What a rule is: one operation, its forward and its hand-derived backward side by side.

The vocabulary of every derivation in this folder, five facts from which all others follow:

=====================  ==================================================
forward                backward
=====================  ==================================================
y = a + b              addition routes: da = dy, db = dy
y = a * b              multiplication swaps: da = dy·b, db = dy·a
y = x.sum(dim)         a sum's backward is a broadcast: dx = dy everywhere
y = x.broadcast        a broadcast's backward is a sum: dx = Σ dy
x used twice           shared nodes accumulate: dx = dx₁ + dx₂
=====================  ==================================================
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from ninja.types import Shape, Tensors

InputDeltas = Tensor | tuple[Tensor, ...]
"""The delta of a rule's input; a tuple for a rule with several inputs, or with none to reach."""

NOT_INTERMEDIATE = "x"
"""The key under which a rule may save its input: the delta of it belongs to whoever made it."""


class Rule(ABC):
    """A differentiable operation. Pure: no mutation, no device logic, no randomness.

    Every activation is ``(..., rows, features)``. A rule is written with ``x.mT``, ``sum(-2)`` and
    ``...``, so that the same lines serve one run and a stack of R runs.
    """

    def shapes(self) -> dict[str, Shape]:
        """The shapes of the trainable tensors of a single run, by name, in drawing order."""
        return {}

    def buffers(self) -> dict[str, tuple[Shape, float]]:
        """The shape and first value of each running statistic, by name."""
        return {}

    @abstractmethod
    def forward(self, params: Tensors, *inputs: Any, **named: Any) -> Tensors:
        """Return every named intermediate in forward order, the output last, as "y"."""

    @abstractmethod
    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[InputDeltas, Tensors]:
        """Pull ``dy`` = ∂loss/∂y back, step by step, through every saved intermediate.

        Returns:
            The delta of the input (or a tuple of them), and the deltas of all intermediates and
            parameters by name, in reverse order of the forward.
        """

    def backward_fused(
        self, params: Tensors, saved: Tensors, dy: Tensor
    ) -> tuple[InputDeltas, Tensors]:
        """The closed form: only the deltas of the input and of the parameters."""
        return self.backward(params, saved, dy)

    def evaluation(self) -> "Rule":
        """The rule that takes this one's place when the network is evaluated."""
        return self

    def running(self, buffers: Tensors, saved: Tensors) -> Tensors:
        """The running statistics after one more training batch: new tensors, same names."""
        return buffers


def intermediates(saved: Tensors) -> Iterator[tuple[str, Tensor]]:
    """The saved tensors that have a delta: floating point, and not the rule's own input."""
    for name, tensor in saved.items():
        if name != NOT_INTERMEDIATE and tensor.is_floating_point():
            yield name, tensor
