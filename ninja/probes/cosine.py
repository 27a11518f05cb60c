"""Whether two gradients of a run point the same way."""

import torch
from torch import Tensor

from ninja.probes.names import flat, names_of
from ninja.types import Deltas, Params


@torch.inference_mode()
def cosine(params: Params, deltas: Deltas, previous: Deltas, lead: int) -> Tensor:
    """Cosine of the angle between this gradient and an earlier one, over the whole network.

    Near 1 the steps go on in one direction, near −1 they jump across a valley, near 0 the noise of
    the batches is all that is left.

    Args:
        params: names the tensors.
        deltas: of this step.
        previous: of an earlier step, of the same shapes; the caller keeps them.
        lead: number of leading replica dimensions.

    Returns:
        (...) of their dtype, from −1 to 1; not a number where a gradient is zero or not finite.
    """
    names = names_of(params)
    now, before = (_direction(torch.cat(flat(d, names, lead), -1)) for d in (deltas, previous))
    return (now * before).sum(-1).clamp(-1, 1)


def _direction(gradient: Tensor) -> Tensor:
    """The gradient with a norm of 1; summed in float64, where no square of float32 overflows."""
    norm = torch.linalg.vector_norm(gradient, dim=-1, keepdim=True, dtype=torch.float64)
    return gradient / norm.to(gradient.dtype)
