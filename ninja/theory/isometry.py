"""How far a deep network's Jacobian is from an isometry: the spread of its squared singular values.

Sources: Saxe et al. 2014 (linear networks); Pennington et al. 2017, section 2.4.
"""

from collections.abc import Iterable
from typing import Literal

from ninja.errors import TheoryError, nearest
from ninja.theory.activations import ActivationLike, activation
from ninja.theory.mean_field import check_length, mean_square_slope
from ninja.theory.quadrature import expectation

Ensemble = Literal["orthogonal", "gaussian"]

WIDE = 100
"""Widths below so many times the depth are refused: Gaussian weights would add more than 1 %."""


def jacobian_variance(
    q: Iterable[float], phi: ActivationLike, weights: Ensemble, *, width: int | None = None
) -> float:
    """Variance of the eigenvalues of J Jᵀ over their squared mean.

    It adds up layer by layer: μ₂/μ₁² − 1 with μ_k = E[φ′(√q z)^2k], and 1 more from every Gaussian
    matrix. The largest singular value converges badly with width; this does not.

    Args:
        q: variances of the pre-activations, layer by layer.
        phi: the activation.
        weights: of what kind; all are square.
        width: units of a layer, to be refused where the theory does not hold.

    Raises:
        TheoryError: an unknown kind of weights, or a width that is not much larger than the depth.
    """
    made, layers = activation(phi), list(q)
    extra = {"orthogonal": 0.0, "gaussian": 1.0}
    if weights not in extra:
        raise TheoryError(nearest("weights", weights, extra))
    if width is not None and width < WIDE * len(layers):
        raise TheoryError(
            f"width: {width} is too narrow for {len(layers)} layers, the theory needs {WIDE} times "
            "as many units as layers, or more"
        )
    return sum(gate_variance(one, made) + extra[weights] for one in layers)


def gate_variance(q: float, phi: ActivationLike) -> float:
    """μ₂/μ₁² − 1: the spread of φ′², relative to its mean."""
    check_length(q)
    made = activation(phi)
    fourth = expectation(lambda x: made.slope(x) ** 4, max(q, made.least), made.edges)
    return fourth / mean_square_slope(q, made) ** 2 - 1
