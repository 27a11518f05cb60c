"""Units that compute the same: whatever happens to one in training happens to the other."""

from functools import lru_cache

import torch
from torch import Tensor


@torch.inference_mode()
def is_twin(y: Tensor) -> Tensor:
    """Which units' columns equal another's, element by element.

    Columns are hashed and the hashes sorted, O(N·F + F log F). Sums of integers do not depend on
    their order, so equal columns have equal hashes wherever they stand; different ones do with a
    probability of about 2⁻⁶⁰ a pair.

    Args:
        y: (..., N, F).

    Returns:
        (..., F) bool, in the order of the hashes and not of the units: good for counting.
    """
    bits = _bits(y + 0.0)  # −0 becomes 0, which it equals
    mixed = bits * _weights(y.shape[-2], y.device)
    # the sign is the top bit, and a product's top bits reach no lower ones: fold them down
    hashes = mixed.bitwise_xor_(mixed >> 32).sum(-2).sort(-1).values
    twin = torch.zeros_like(hashes, dtype=torch.bool)
    same = hashes[..., 1:] == hashes[..., :-1]
    twin[..., 1:] = same
    twin[..., :-1] |= same
    return twin


def _bits(y: Tensor) -> Tensor:
    if y.dtype == torch.float32:
        return y.view(torch.int32)
    bits = y.view(torch.int64)
    return bits ^ (bits >> 32)


@lru_cache(maxsize=64)
def _weights(rows: int, device: torch.device) -> Tensor:
    """(rows, 1) random odd numbers, always the same."""
    generator = torch.Generator().manual_seed(rows)
    weights = torch.randint(-(2**62), 2**62, (rows, 1), generator=generator, device="cpu")
    return (2 * weights + 1).to(device)
