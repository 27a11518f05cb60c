"""The gradient noise scale: how many examples a step can use before it only repeats itself."""

from torch import Tensor


def noise_terms(
    small_norm2: Tensor, big_norm2: Tensor, small_batch: int, big_batch: int
) -> tuple[Tensor, Tensor]:
    """Unbiased estimates of tr(Σ) and |G|², from the same step's gradients at two batch sizes.

    A gradient over B examples has E|G_B|² = |G|² + tr(Σ)/B. Two sizes make two equations::

        |G|²  = (B_big |G_big|² − B_small |G_small|²) / (B_big − B_small)
        tr(Σ) = (|G_small|² − |G_big|²) / (1/B_small − 1/B_big)

    The simple noise scale is B = tr(Σ)/|G|². Either may be negative on one step, and a mean of
    quotients is biased: average both over the steps, and divide the averages.

    Source: McCandlish, Kaplan, Amodei et al. 2018, equations 2.8 and 2.9, appendix A.1.

    Args:
        small_norm2: (...) |G_small|², a mean over small batches if there are several.
        big_norm2: (...) |G_big|².
        small_batch: B_small.
        big_batch: B_big.

    Returns:
        tr(Σ) and |G|², (...) each.

    Raises:
        ValueError: the big batch is not larger than the small one, or that is below 1.
    """
    if not 1 <= small_batch < big_batch:
        raise ValueError(f"batches of {small_batch} and {big_batch}: give 1 ≤ small < big")
    norm2 = (big_batch * big_norm2 - small_batch * small_norm2) / (big_batch - small_batch)
    trace = (small_norm2 - big_norm2) / (1 / small_batch - 1 / big_batch)
    return trace, norm2
