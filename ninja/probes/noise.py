"""The gradient noise scale: how many examples a step can use before it only repeats itself."""

from collections.abc import Iterable

import torch
from torch import Tensor

from ninja.probes.blocks import Values
from ninja.probes.names import flat, names_of
from ninja.types import Deltas, Params


def noise_terms(
    params: Params, gradients: Iterable[Deltas], batch_size: int, lead: int
) -> tuple[Values, Values]:
    """Unbiased estimates of tr(Σ) and |G|², from gradients of several batches at one point.

    The batches' own gradients and their mean, which is that of one large batch, are the two that
    `ninja.theory.noise` needs. Average both terms over the steps, and divide the averages.

    Args:
        params: names the tensors.
        gradients: one of each batch, two or more; they may hold more than the parameters'.
        batch_size: examples in each, B_small.
        lead: number of leading replica dimensions.

    Returns:
        tr(Σ) and |G|², (...) each.

    Raises:
        ValueError: fewer than two batches.
    """
    from ninja.theory import noise  # and with it scipy, which takes a moment

    names, count = names_of(params), 0
    total: Tensor | None = None
    small: Tensor | None = None
    for deltas in gradients:  # which may be made by autograd only now
        with torch.inference_mode():
            one = torch.cat(flat(deltas, names, lead), -1).double()
            square = one.square().sum(-1)
            total = one if total is None else total + one
            small = square if small is None else small + square
        count += 1
    if total is None or small is None or count < 2:
        raise ValueError(f"gradients: {count} batches, give 2 or more")
    return noise.noise_terms(
        (small / count).cpu().numpy(),
        (total / count).square().sum(-1).cpu().numpy(),
        batch_size,
        batch_size * count,
    )
