"""The embedding: a table whose rows are looked up by token."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ninja.errors import DataError, ShapeError
from ninja.rules.base import Rule
from ninja.types import Shape, Tensors


@dataclass(frozen=True)
class Embedding(Rule):
    """emb = C[tokens].  ``(..., V, E)[(..., B, T)]`` → ``(..., B, T, E)``, folded to rows.

    The output y is emb with the positions folded into the rows, ``(..., B·T, E)``.

    A lookup copies row v of C to every place where token v stands, and a copy's backward is a sum::

        dC_v = Σ over (b, t) with tokens_bt = v of demb_bt

    so a token that occurs ten times adds up ten deltas (``=`` instead of ``+=`` would keep one).
    Source: makemore part 4, exercise 1.
    """

    vocab_size: int
    n_embd: int

    def shapes(self) -> dict[str, Shape]:
        """C is (vocab_size, n_embd)."""
        return {"C": (self.vocab_size, self.n_embd)}

    def forward(self, params: Tensors, tokens: Tensor) -> Tensors:
        """tokens are (..., B, T) int64, with the leading dimensions of C.

        Raises:
            DataError: a token outside the vocabulary, 0 … V − 1.
            ShapeError: the leading dimensions of the tokens are not those of the table.
        """
        C = params["C"]
        lead = C.shape[:-2]
        if tokens.shape[:-2] != lead:
            raise ShapeError(f"tokens {tuple(tokens.shape)} do not fit the table {tuple(C.shape)}")
        rows = tokens
        if lead:  # replica r's table starts at row r·V of the flattened stack
            starts = torch.arange(0, lead.numel() * self.vocab_size, self.vocab_size)
            rows = tokens + starts.to(C.device).view(*lead, 1, 1)
            # a token that is none must not find its neighbour's row
            rows = rows.where(tokens.clamp(0, self.vocab_size - 1) == tokens, -1)
        rows = rows.reshape(-1)
        try:
            emb = C.reshape(-1, self.n_embd).index_select(0, rows)
        except IndexError as error:
            raise DataError(
                f"a token lies outside the vocabulary, 0 … {self.vocab_size - 1}"
            ) from error
        emb = emb.view(*tokens.shape, self.n_embd)
        return {"rows": rows, "emb": emb, "y": emb.flatten(-3, -2)}

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[tuple[()], Tensors]:
        """dy is (..., B·T, E). Tokens are integers: no delta goes further back."""
        demb = dy.view_as(saved["emb"])
        dC = torch.zeros_like(params["C"])
        arriving = demb.reshape(-1, self.n_embd)
        dC.view(-1, self.n_embd).index_put_((saved["rows"],), arriving, accumulate=True)
        return (), {"emb": demb, "C": dC}
