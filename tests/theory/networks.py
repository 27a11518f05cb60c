"""Random networks in numpy, to hold the theory against: nothing here uses it."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Array], Array]


def pre_activations(
    random: np.random.Generator,
    x: Array,
    depth: int,
    weight_variance: float,
    bias_variance: float,
    phi: Function,
) -> list[tuple[Array, Array]]:
    """(h, W) of each layer h = x W + b of equal width, x = φ(h of the one before)."""
    found: list[tuple[Array, Array]] = []
    for _ in range(depth):
        fan_in = x.shape[-1]
        W = random.normal(size=(fan_in, fan_in)) * math.sqrt(weight_variance / fan_in)
        h = x @ W + random.normal(size=fan_in) * math.sqrt(bias_variance)
        found.append((h, W))
        x = phi(h)
    return found


def delta_squares(
    random: np.random.Generator, layers: list[tuple[Array, Array]], slope: Function
) -> Array:
    """Mean of δ² before φ, from layer 1 to the last, for deltas drawn after the last φ."""
    delta = random.normal(size=layers[-1][0].shape)
    found: list[float] = []
    for h, W in reversed(layers):
        delta = slope(h) * delta
        found.append(float((delta**2).mean()))
        delta = delta @ W.T
    return np.array(found[::-1])


def batchnorm_growth(
    random: np.random.Generator,
    batch: int,
    width: int,
    depth: int,
    phi: Function,
    slope: Function,
    *,
    bessel: bool = False,
) -> tuple[float, Array]:
    """Growth of |δ|² a layer, and all values that φ was given, h = BN(x W), no affine, no eps."""
    x, saved = random.normal(size=(batch, width)), []
    for _ in range(depth):
        W = random.normal(size=(width, width)) / math.sqrt(width)
        h = x @ W
        std = h.std(0, ddof=int(bessel))
        z = (h - h.mean(0)) / std
        saved.append((W, z, std))
        x = phi(z)
    delta, logs = random.normal(size=x.shape), []
    for W, z, std in reversed(saved):
        delta = slope(z) * delta
        centred = delta - delta.mean(0)
        delta = (centred - z * (delta * z).sum(0) / (z * z).sum(0)) / std
        logs.append(math.log((delta**2).sum()))
        delta = delta @ W.T
    steady = logs[3:-3]
    growth = math.exp(np.polyfit(range(len(steady)), steady, 1)[0])
    return growth, np.concatenate([z for _, z, _ in saved[1:]])


def seeded(*what: object) -> np.random.Generator:
    """A generator of one configuration's own."""
    return np.random.default_rng([ord(character) for character in repr(what)])
