"""How much one finite network's norms differ from the average over all of them: exactly, for ReLU.

Given a layer's input, K ~ Bin(n, 1/2) of its n units are open, and |y|² is σw²/n·|x|²·χ²_K. So
ln |y|² is a sum of independent terms, one a layer, the same for a gradient that goes back.

Source: Hanin & Nica 2018, whose 5 Σ 1/n is the first order of the variance in 1/n.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln, polygamma, psi  # pyright: ignore[reportMissingTypeStubs]

from ninja.errors import TheoryError
from ninja.theory.activations import NAMED, ActivationLike, activation

NARROW = 16
"""Below so many units a ReLU layer is closed altogether too often for its logarithm to have a mean:
2⁻¹⁶ of them."""


def log_norm(
    widths: Sequence[int], weight_variance: float = 2.0, phi: ActivationLike = "relu"
) -> tuple[float, float]:
    """Mean and variance of ln of the mean square output over that of the input, over networks.

    Args:
        widths: units of each layer.
        weight_variance: σw².
        phi: ReLU or the identity: the theory is exact for both, and for no other.

    Raises:
        TheoryError: another activation, weights of no variance, or a layer that is too narrow.
    """
    made = activation(phi)
    relu = made is NAMED["relu"]
    if not relu and made is not NAMED["identity"]:
        raise TheoryError(
            f"activation {made.name}: at finite width only relu and identity are known"
        )
    if not 0 < weight_variance < math.inf:
        raise TheoryError(f"weight_variance: {weight_variance!r} must be above 0, and finite")
    least = NARROW if relu else 1
    if min(widths, default=least) < least:
        raise TheoryError(f"widths: {min(widths)} units are too narrow, give {least} or more")
    terms = [_layer(width, relu=relu) for width in widths]
    mean = sum(term[0] for term in terms) + len(terms) * math.log(weight_variance)
    return mean, sum(term[1] for term in terms)


def _layer(n: int, *, relu: bool) -> tuple[float, float]:
    """Mean and variance of ln(χ²_K/n); K = 0 is left out."""
    k = np.arange(1, n + 1) if relu else np.array([n])
    log = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    share = np.exp(log - log.max())
    share = share / share.sum()
    means, variances = psi(k / 2) + math.log(2 / n), polygamma(1, k / 2)
    mean = float(share @ means)
    return mean, float(share @ variances + share @ (means - mean) ** 2)
