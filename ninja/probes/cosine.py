"""Whether two gradients of a run point the same way."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ninja.probes.blocks import Values
from ninja.probes.moments import LARGE, SMALL
from ninja.probes.names import flat, names_of
from ninja.types import Deltas, Params

ALIGNED = 16
"""Elements: 64 bytes of float32."""


@torch.inference_mode()
def cosine(params: Params, deltas: Deltas, previous: Deltas, lead: int) -> Values:
    """Cosine of the angle between this gradient and an earlier one, over the whole network.

    Near 1 the steps go on in one direction, near −1 they jump across a valley, near 0 the noise of
    the batches is all that is left.

    Args:
        params: names the tensors.
        deltas: of this step.
        previous: of an earlier step, of the same shapes; the caller keeps them.
        lead: number of leading replica dimensions.

    Returns:
        (...) from −1 to 1; not a number where a gradient is zero or not finite.
    """
    names = names_of(params)
    now, before = (_rows(flat(of, names, lead)) for of in (deltas, previous))
    pairs = zip(*(of.reshape(-1, of.shape[-1]) for of in (now, before)), strict=True)
    return np.array([_cosine(*pair) for pair in pairs]).reshape(now.shape[:-1])


def _rows(parts: Sequence[Tensor]) -> Tensor:
    """The parts side by side, with as many zeros that each row begins at a multiple of 64 bytes.

    A run's number must not depend on how many others there are, and the order in which BLAS adds
    depends on where a row begins.
    """
    length = sum(part.shape[-1] for part in parts)
    padding = parts[0].new_zeros((*parts[0].shape[:-1], -length % ALIGNED))
    return torch.cat([*parts, padding], -1)


def _cosine(now: Tensor, before: Tensor) -> float:
    """Of two gradients, (elements,) each."""
    dot, *sizes = _products(now, before)
    if not all(SMALL < size < LARGE for size in sizes):  # squares vanish or overflow in float32
        dot, *sizes = _products(_direction(now.double()), _direction(before.double()))
    product = sizes[0] * sizes[1]
    return min(max(dot / product, -1.0), 1.0) if product else math.nan


def _products(now: Tensor, before: Tensor) -> list[float]:
    """The dot product and the two norms."""
    pairs = ((now, before), (now, now), (before, before))
    dot, *squares = torch.stack([torch.dot(*pair) for pair in pairs]).tolist()
    return [dot, *map(math.sqrt, squares)]


def _direction(gradient: Tensor) -> Tensor:
    """The gradient with a norm of 1."""
    return gradient / torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
