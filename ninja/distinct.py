"""The different contexts of many examples: a network that is evaluated need see each only once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ninja.data import Examples

LARGEST = 2**63
"""Beyond it a context is no int64."""

TABLE = 1 << 20
"""Numbers up to here are looked up, which takes a tenth of the time of sorting them."""


@dataclass(frozen=True)
class Distinct:
    """N examples as K different contexts, and P different pairs of a context and a target.

    Attributes:
        contexts: int64 (K, block_size), ascending.
        context: int64 (P,), of each pair, ascending.
        target: int64 (P,), of each pair.
        pair: int64 (N,), of each example.
    """

    contexts: Tensor
    context: Tensor
    target: Tensor
    pair: Tensor

    @classmethod
    def of(cls, examples: Examples, classes: int) -> "Distinct":
        """Find them.

        Args:
            examples: N of them.
            classes: of the targets, and of the letters of a context.
        """
        contexts, index = _contexts(examples.contexts, classes)
        codes, pair = _unique(index * classes + examples.targets, len(contexts) * classes)
        return cls(contexts, codes // classes, codes % classes, pair)

    def counts(self, examples: slice) -> Tensor:
        """How many of these examples are each pair, float64 (P,)."""
        return torch.bincount(self.pair[examples], minlength=len(self.context)).double()

    def frequency(self, counts: Tensor) -> Tensor:
        """How many examples have each context, (K,).

        Args:
            counts: of their pairs.
        """
        return counts.new_zeros(len(self.contexts)).index_add_(0, self.context, counts)


def _contexts(contexts: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """The different rows in ascending order, and which of them each row is."""
    length = contexts.shape[-1]
    if classes**length >= LARGEST:
        found, index = torch.unique(contexts, dim=0, return_inverse=True)
        return found, index
    weights = torch.tensor([classes**power for power in reversed(range(length))])
    weights = weights.to(contexts.device)
    codes, index = _unique((contexts * weights).sum(-1), classes**length)
    return codes[:, None] // weights % classes, index


def _unique(codes: Tensor, end: int) -> tuple[Tensor, Tensor]:
    """The different numbers in ascending order, and which of them each is.

    Args:
        codes: int64 (N,), from 0.
        end: above all of them.
    """
    if end > TABLE:
        found, index = torch.unique(codes, return_inverse=True)
        return found, index
    met = torch.zeros(end, dtype=torch.int64, device=codes.device).index_fill_(0, codes, 1)
    return met.nonzero()[:, 0], (met.cumsum(0) - 1)[codes]
