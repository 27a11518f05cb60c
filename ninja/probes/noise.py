"""The gradient noise scale: how many examples a step can use before it only repeats itself."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ninja.probes.blocks import Values
from ninja.probes.names import flat, names_of
from ninja.types import Deltas, Params


def noise_terms(
    params: Params, gradients: Iterable[Deltas], batch_size: int, lead: int
) -> tuple[Values, Values]:
    """Unbiased estimates of tr(Σ) and |G|², from gradients of several batches at one point.

    A gradient over B examples has E|G_B|² = |G|² + tr(Σ)/B. The batches' own gradients and their
    mean, which is that of one large batch, make two equations::

        |G|²  = (B_big |G_big|² − B_small |G_small|²) / (B_big − B_small)
        tr(Σ) = (|G_small|² − |G_big|²) / (1/B_small − 1/B_big)

    The simple noise scale is B = tr(Σ)/|G|². Either may be negative on one step, and a mean of
    quotients is biased: average both over the steps, and divide the averages.

    Source: McCandlish, Kaplan, Amodei et al. 2018, equations 2.8 and 2.9, appendix A.1.

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
    return _terms(
        (small / count).cpu().numpy(),
        (total / count).square().sum(-1).cpu().numpy(),
        batch_size,
        batch_size * count,
    )


def _terms(small: Values, big: Values, b_small: int, b_big: int) -> tuple[Values, Values]:
    norm2 = (b_big * big - b_small * small) / (b_big - b_small)
    trace = (small - big) / (1 / b_small - 1 / b_big)
    return np.asarray(trace), np.asarray(norm2)
