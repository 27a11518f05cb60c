"""Activations as numpy functions, with their slopes, and between which points both are smooth."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import erf, expit, ndtr  # pyright: ignore[reportMissingTypeStubs]

from ninja.errors import TheoryError, nearest
from ninja.theory.quadrature import Array, Function, panels

_COARSE = np.array(sorted({0.0, *(sign * 2.0**k for sign in (-1, 1) for k in range(-4, 8))}))
_NARROW, _MOST = 1e-7, 4000


@dataclass(frozen=True)
class Activation:
    """φ, elementwise.

    Attributes:
        name: for messages.
        function: φ, from an array to an array of its shape.
        slope: φ′, the same.
        edges: where either has a kink, or needs a panel's end.
        bounds: least and greatest value, of one that saturates.
        least: a variance that stands for 0 in a mean of slopes: at 0 itself a kink has no sides.
    """

    name: str
    function: Function
    slope: Function
    edges: tuple[float, ...] = ()
    bounds: tuple[float, float] | None = None
    least: float = 1e-20

    @property
    def still(self) -> bool:
        """φ(0) = 0: nothing comes from nothing."""
        return float(self.function(np.zeros(1))[0]) == 0.0


ActivationLike = Activation | str | Callable[[Array], Any]


def _tanh_slope(x: Array) -> Array:
    y = np.tanh(x)
    return 1.0 - y * y


def _leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.01 * x)


def _gelu_slope(x: Array) -> Array:
    return ndtr(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def _silu_slope(x: Array) -> Array:
    return expit(x) * (1 + x * (1 - expit(x)))


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _elu_slope(x: Array) -> Array:
    return np.where(x > 0, 1.0, np.exp(np.minimum(x, 0)))


def _erf_slope(x: Array) -> Array:
    return np.exp(-x * x) * (2 / math.sqrt(math.pi))


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _selu(x: Array) -> Array:
    return _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(np.minimum(x, 0)))


def _selu_slope(x: Array) -> Array:
    return _SELU_SCALE * np.where(x > 0, 1.0, _SELU_ALPHA * np.exp(np.minimum(x, 0)))


NAMED: dict[str, Activation] = {
    made.name: made
    for made in (
        Activation("identity", lambda x: x, np.ones_like),
        Activation("tanh", np.tanh, _tanh_slope, bounds=(-1.0, 1.0)),
        Activation("sigmoid", expit, lambda x: expit(x) * expit(-x), bounds=(0.0, 1.0)),
        Activation("relu", lambda x: np.maximum(x, 0), lambda x: np.where(x > 0, 1.0, 0.0), (0.0,)),
        Activation("leaky_relu", _leaky, lambda x: np.where(x > 0, 1.0, 0.01), (0.0,)),
        Activation("gelu", lambda x: x * ndtr(x), _gelu_slope),
        Activation("silu", lambda x: x * expit(x), _silu_slope),
        Activation("elu", _elu, _elu_slope, (0.0,)),
        Activation("selu", _selu, _selu_slope, (0.0,)),
        Activation("erf", erf, _erf_slope, bounds=(-1.0, 1.0)),
    )
}
"""As torch has them by default. SELU's constants: Klambauer et al. 2017, equation 14."""


def activation(
    of: ActivationLike,
    slope: Callable[[Array], Any] | None = None,
    bounds: tuple[float, float] | None = None,
) -> Activation:
    """Any activation: a name, or a function from a numpy array to one of its shape.

    Args:
        of: its name, itself, or φ.
        slope: φ′; without it, central differences.
        bounds: least and greatest value, for the share that is saturated.

    Raises:
        TheoryError: an unknown name; a function that is no elementwise map of arrays to finite
            numbers, or that jumps, which no derivative shows.
    """
    if isinstance(of, Activation):
        return of
    if isinstance(of, str):
        if of not in NAMED:
            raise TheoryError(nearest("activation", of, NAMED))
        return NAMED[of]
    name = getattr(of, "__name__", type(of).__name__)
    function = _checked(f"activation {name}", of)
    gradient = _differences(function) if slope is None else _checked(f"slope of {name}", slope)
    edges = _smooth_between(name, function, gradient)
    if not gradient(np.array(edges)).any():
        raise TheoryError(f"activation {name}: is constant, no gradient passes")
    least = 1e-8 if slope is None else 1e-20  # √least is well above the step of the differences
    return Activation(name, function, gradient, edges, bounds, least)


def _checked(what: str, function: Callable[[Array], Any]) -> Function:
    """The function, once it has been seen to map an array to finite numbers of its shape."""

    def checked(x: Array) -> Array:
        with np.errstate(all="ignore"):  # what is not finite is refused, or has no weight
            return np.asarray(function(x), dtype=np.float64)

    probe = np.array([[-8.0, -0.7, 0.0], [0.3, 2.0, 8.0]])
    try:
        made = checked(probe.copy())
    except Exception as error:  # whatever a user's function raises
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise TheoryError(f"{what}: fails on a numpy array ({why})") from error
    if made.shape != probe.shape or not np.isfinite(made).all():
        raise TheoryError(f"{what}: must map a numpy array to finite numbers of its shape")
    return checked


def _differences(function: Function) -> Function:
    def slope(x: Array) -> Array:
        step = 1e-5 * np.maximum(np.abs(x), 0.01)
        return (function(x + step) - function(x - step)) / (2 * step)

    return slope


def _smooth_between(name: str, function: Function, slope: Function) -> tuple[float, ...]:
    """Panels fine enough for φ and for φ′, wherever their kinks are."""
    edges = _COARSE
    for one in (function, slope):
        edges = _refined(name, one, edges)
    if (np.abs(function(edges + 2e-7) - function(edges - 2e-7)) > 1e-3).any():
        raise TheoryError(f"activation {name}: jumps, and a jump has no derivative")
    return tuple(edges.tolist())


def _refined(name: str, function: Function, edges: Array) -> Array:
    """Split panels until two parts of each say the same as the whole.

    Not in halves: a step in the middle of a panel escapes a symmetric rule.
    """
    x, weights = panels(np.linspace(-2, 2, 9))
    typical = float(np.abs(function(x)) @ weights / 4)
    while len(edges) <= _MOST:
        cuts = edges[:-1] + 0.38 * np.diff(edges)
        whole, size = _integrals(function, edges)
        parts, _ = _integrals(function, np.sort(np.concatenate([edges, cuts])))
        off = np.abs(parts.reshape(-1, 2).sum(-1) - whole)
        settled = off <= 1e-8 * (size + typical * np.diff(edges))
        rough = ~settled & (np.diff(edges) > _NARROW)
        if not rough.any():
            return edges
        edges = np.sort(np.concatenate([edges, cuts[rough]]))
    raise TheoryError(f"activation {name}: is too rough, give a smoother one, or its slope")


def _integrals(function: Function, edges: Array) -> tuple[Array, Array]:
    """Of f and of |f|, panel by panel."""
    x, weights = panels(edges)
    terms = (function(x) * weights).reshape(-1, 12)
    return terms.sum(-1), np.abs(terms).sum(-1)
