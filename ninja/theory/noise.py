"""The gradient noise scale: how many examples a step can use before it only repeats itself.

Source: McCandlish, Kaplan, Amodei et al. 2018, equations 2.8 and 2.9, appendix A.1.
"""

import numpy as np
from numpy.typing import ArrayLike

from ninja.errors import TheoryError
from ninja.theory.quadrature import Array, as_array


def noise_terms(
    small: ArrayLike, big: ArrayLike, batch_small: int, batch_big: int
) -> tuple[Array, Array]:
    """Unbiased estimates of tr(Σ) and |G|² from gradients over two sizes of batch.

    A gradient over B examples has E|G_B|² = |G|² + tr(Σ)/B: two equations for two unknowns. Either
    may be negative on one step. A mean of quotients is biased: average both over the steps, and
    divide the averages (`noise_scale`).

    Args:
        small: |G_B|² over the smaller batches, (...).
        big: |G_B|² over the larger ones, (...).
        batch_small: examples in a smaller one.
        batch_big: examples in a larger one.

    Returns:
        tr(Σ) and |G|², (...) each.

    Raises:
        TheoryError: the sizes are not above 0, in this order.
    """
    if not 0 < batch_small < batch_big:
        raise TheoryError(
            f"batch_small, batch_big: {batch_small}, {batch_big}: give two sizes, the smaller first"
        )
    one, two = as_array(small), as_array(big)
    norm2 = (batch_big * two - batch_small * one) / (batch_big - batch_small)
    trace = (one - two) / (1 / batch_small - 1 / batch_big)
    return np.asarray(trace), np.asarray(norm2)


def noise_scale(trace: ArrayLike, norm2: ArrayLike) -> float:
    """B = tr(Σ)/|G|² in examples, from estimates of several steps: the quotient of their means.

    Raises:
        TheoryError: the mean |G|² is not above 0: more steps are needed, or larger batches.
    """
    square = float(as_array(norm2).mean())
    if not square > 0:
        raise TheoryError(f"norm2: its mean is {square:.3g}, take more steps, or larger batches")
    return float(as_array(trace).mean()) / square
