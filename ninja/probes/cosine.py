"""Whether two gradients of a run point the same way."""

import numpy as np
import torch
from torch import Tensor

from ninja.probes.blocks import Values
from ninja.probes.moments import LARGE, SMALL
from ninja.probes.names import flat, names_of
from ninja.types import Deltas, Params


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
    now, before = (torch.cat(flat(d, names, lead), -1) for d in (deltas, previous))
    found = _products(now, before)
    sizes = found[1:]
    if not ((sizes > SMALL) & (sizes < LARGE)).all():  # squares vanish or overflow in float32
        found = _products(_direction(now.double()), _direction(before.double()))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.clip(found[0] / (found[1] * found[2]), -1, 1)


def _products(now: Tensor, before: Tensor) -> Values:
    """(3, ...): the dot product and the two norms."""
    parts = (
        torch.linalg.vecdot(now, before),
        torch.linalg.vector_norm(now, dim=-1),
        torch.linalg.vector_norm(before, dim=-1),
    )
    return torch.stack(parts).double().cpu().numpy()


def _direction(gradient: Tensor) -> Tensor:
    """The gradient with a norm of 1."""
    return gradient / torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
