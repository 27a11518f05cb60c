"""The gradient explosion that BatchNorm brings, for a batch of any size.

A unit's pre-activations over the batch, h ∈ R^B, are Gaussian, and alike in all directions across
the mean. So x̂ = BN(h) is uniform on a sphere in B − 1 dimensions, whatever h's variances: one
layer of it forgets what came before, and the factor of |δ|² is the same in every layer::

    δh = (1/σ) P φ′(x̂) δy,    P the projection off 1 and x̂
    |δ|² grows by  B E[tr(P D G D)] / ((B − 1)(B − 3) (E[φ(x̂₁)²] − E[φ(x̂₁)φ(x̂₂)]))

with D = diag φ′(x̂) and G = 1 − 11ᵀ/B; B/(B − 3) is the mean of var(h)/σ², which has no mean for
three samples. σw² cancels, and a bias goes with the mean.

Source: Yang et al. 2019, A Mean Field Theory of Batch Normalization.
"""

import math

import numpy as np
from scipy.special import betainc  # pyright: ignore[reportMissingTypeStubs]

from ninja.errors import TheoryError
from ninja.theory.activations import Activation, ActivationLike, activation
from ninja.theory.mean_field import mean_square, mean_square_slope
from ninja.theory.quadrature import Array, expectation, panels
from ninja.theory.shares import saturated_intervals, saturated_share


def least_width(batch: float) -> float:
    """Units a layer needs for one network to be within 2 % of `batchnorm_growth`.

    Eight times the batch, so that samples stay independent; and more where the batch is small: the
    variance of 1/σ² over the units is 2/(B − 5) of its square, and infinite up to 5 samples.
    """
    return max(8 * batch, 400 / (batch - 5)) if batch > 5 else math.inf


def batchnorm_growth(
    batch: float, phi: ActivationLike, *, bessel: bool = False, width: int | None = None
) -> float:
    """Factor of |δ|² from a layer to the one below, BatchNorm before φ, no affine, no eps.

    Args:
        batch: B, samples that are normalised together; may be infinite.
        phi: the activation.
        bessel: the variance is divided by B − 1.
        width: units of a layer, to be refused where the theory does not hold.

    Raises:
        TheoryError: fewer than 4 samples, or a width that is not much larger than the batch.
    """
    made = activation(phi)
    _check_batch(batch)
    if width is not None and width < least_width(batch):
        raise TheoryError(
            f"width: {width} is too narrow for BatchNorm's theory at a batch of {batch:g}, which "
            f"needs {least_width(batch):g} or more"
        )
    if math.isinf(batch):
        mean = expectation(made.function, 1.0, made.edges)
        return mean_square_slope(1.0, made) / (mean_square(1.0, made) - mean**2)
    return _growth(int(batch), made, _scale(batch, bessel))


def batchnorm_saturated_share(
    batch: float, phi: ActivationLike, *, bessel: bool = False, level: float = 0.97
) -> float:
    """The share of elements with |φ(x̂)| > level: x̂ has less of a tail than a Gaussian.

    Of a width well above 32 batches; at 8 it is 4 % less.

    Raises:
        TheoryError: fewer than 4 samples, or φ has no bounds.
    """
    made = activation(phi)
    _check_batch(batch)
    if math.isinf(batch):
        return saturated_share(1.0, made, level)
    radius = _scale(batch, bessel) * math.sqrt(batch - 1)

    def below(x: float) -> float:
        t = min(1.0, abs(x) / radius)
        return (1 + math.copysign(float(betainc(0.5, (batch - 2) / 2, t * t)), x)) / 2

    return sum(below(high) - below(low) for low, high in saturated_intervals(made, level))


def _check_batch(batch: float) -> None:
    if not batch >= 4:
        raise TheoryError(f"batch: {batch!r} is too few, the growth has a mean from 4 samples on")


def _scale(batch: float, bessel: bool) -> float:
    return math.sqrt((batch - 1) / batch) if bessel else 1.0


def _growth(B: int, made: Activation, scale: float) -> float:
    """φ sees scale·x̂, whose derivative brings the scale twice."""
    radius = math.sqrt(B - 1)
    edges = np.array([edge / scale for edge in made.edges if abs(edge) < scale * radius])
    x, p = _first(B, radius, edges)
    y, p2 = _second(B, radius, edges, x)
    f, d = made.function(scale * x), made.slope(scale * x)
    g, e = made.function(scale * y), made.slope(scale * y)
    pairs = p[:, None] * p2
    spread = (f * f) @ p - ((f[:, None] * g) * pairs).sum()
    dd, xxdd = (d * d) @ p, (x * x * d * d) @ p
    de = ((d[:, None] * e) * pairs).sum()
    xyde = ((x[:, None] * y * d[:, None] * e) * pairs).sum()
    trace = dd * (B - 2) - xxdd + (dd + xxdd + (B - 1) * (de + xyde)) / B
    return float(scale**2 * B * trace / ((B - 1) * (B - 3) * spread))


def _angles(edges: Array, power: int) -> tuple[Array, Array]:
    """Points t and weights of a mean by the density ∝ (1 − t²)^((power − 1)/2): t = sin θ.

    Args:
        edges: of t, (..., E).
        power: of cos θ.
    """
    grid = np.broadcast_to(np.linspace(-1, 1, 17), (*edges.shape[:-1], 17))
    inner = np.clip(np.concatenate([edges, grid], axis=-1), -1, 1)
    theta, weights = panels(np.arcsin(np.sort(inner, axis=-1)))
    weights = weights * np.cos(theta) ** power
    return np.sin(theta), weights / weights.sum(-1, keepdims=True)


def _first(B: int, radius: float, edges: Array) -> tuple[Array, Array]:
    """x̂₁ and its weights: radius times a coordinate of a direction in B − 1 dimensions."""
    dense = np.arange(-9.0, 9.5)
    rho = -1 / (B - 1)
    # a kink of the other coordinate comes within reach here
    reach = np.sqrt(np.maximum((1 - rho**2) * (radius**2 - edges**2), 0))
    cuts = [edges, dense, rho * edges - reach, rho * edges + reach]
    t, weights = _angles(np.concatenate(cuts) / radius, B - 3)
    return radius * t, weights


def _second(B: int, radius: float, edges: Array, x: Array) -> tuple[Array, Array]:
    """x̂₂ given each x̂₁, and its weights: their correlation is −1/(B − 1)."""
    rho = -1 / (B - 1)
    left = np.sqrt(np.maximum((1 - rho**2) * (radius**2 - x**2), 1e-300))[:, None]
    dense = np.arange(-9.0, 9.5)
    inner = (np.concatenate([edges, dense]) - rho * x[:, None]) / left
    s, weights = _angles(inner, B - 4)
    return rho * x[:, None] + left * s, weights
