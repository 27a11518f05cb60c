"""What is to be expected of a whole network: its lengths, gradients and units, layer by layer."""

import math
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

import numpy as np

from ninja.errors import TheoryError, nearest
from ninja.theory.activations import Activation, ActivationLike, activation
from ninja.theory.batchnorm import batchnorm_growth, batchnorm_saturated_share, least_width
from ninja.theory.correlation import kernel
from ninja.theory.finite_width import log_norm
from ninja.theory.mean_field import (
    check_layer,
    check_variances,
    chi1,
    critical_weight_variance,
    depth_scale,
    fixed_point,
    mean_square,
    mean_square_slope,
)
from ninja.theory.quadrature import expectation
from ninja.theory.shares import dead_share, flat_intervals, saturated_share

Norm = Literal["none", "batchnorm", "layernorm", "rmsnorm"]


@dataclass(frozen=True)
class Setting:
    """A network of `depth` layers h = norm(W x + b), y = φ(h), of equal width.

    Attributes:
        depth: number of hidden layers.
        weight_variance: σw², fan_in times a weight's variance: gain² by the Kaiming scheme.
        bias_variance: σb².
        activation: φ.
        norm: between the linear layer and φ, without affine.
        residual: add each layer, from the second on, to its input.
        batch: examples; BatchNorm's, and those on all of which a dead unit is closed.
        bessel: BatchNorm divides the variance by n − 1.
        width: units of a layer; none for infinitely many.
        input_variance: E[x²] of the input.
    """

    depth: int
    weight_variance: float
    activation: ActivationLike
    bias_variance: float = 0.0
    norm: Norm = "none"
    residual: bool = False
    batch: int | None = None
    bessel: bool = True
    width: int | None = None
    input_variance: float = 1.0


@dataclass(frozen=True)
class Layer:
    """One hidden layer.

    Attributes:
        layer: from 1 on.
        q: variance of what φ is given.
        chi: factor of |δ|², δ that of what φ is given, from the layer above to this one.
        delta: log10 of the RMS of δ, relative to the last hidden layer's.
        saturated: share of elements; none where φ has no bounds.
        dead: share of units that no example of the batch opens; none without a batch.
    """

    layer: int
    q: float
    chi: float
    delta: float
    saturated: float | None
    dead: float | None


@dataclass(frozen=True)
class Prediction:
    """What `predict` finds.

    Attributes:
        q: where the lengths end; none where they do not.
        chi: factor of |δ|² a layer, deep inside; none where it has no limit.
        depth_scale: ξ, in layers.
        critical_weight_variance: σw² of gradients that keep their size; none where there is none.
        layers: from the first to the last.
        spread: standard deviation of the first layer's `delta` over networks of this width.
        caveats: where the prediction is not to be trusted, a sentence each.
    """

    q: float | None
    chi: float | None
    depth_scale: float | None
    critical_weight_variance: float | None
    layers: tuple[Layer, ...]
    spread: float | None
    caveats: tuple[str, ...]


def predict(setting: Setting) -> Prediction:
    """The prediction for a setting.

    Raises:
        TheoryError: what cannot be, or a setting that no theory here covers.
    """
    made = _check(setting)
    states = _forward(setting, made)
    chis = _chis(setting, made, states)
    # from layer l to the last: the factors of l … depth − 1
    logs = np.log10(np.maximum(chis[:-1], 1e-300))
    deltas = np.append(np.cumsum(logs[::-1])[::-1] / 2, 0.0)
    layers = tuple(
        Layer(number, state.q, chi, float(delta), _saturated(setting, made, state), dead)
        for number, state, chi, delta, dead in zip(
            range(1, setting.depth + 1), states, chis, deltas, _dead(setting, made, states)
        )
    )
    q, chi, caveats = _limit(setting, made, states[0].q, chis)
    spread = _spread(setting, made)
    return Prediction(
        q,
        chi,
        None if chi is None else depth_scale(chi),
        _critical(setting, made),
        layers,
        spread,
        (*caveats, *_narrow(setting, spread)),
    )


def _check(setting: Setting) -> Activation:
    check_variances(setting.weight_variance, setting.bias_variance)
    made = activation(setting.activation)
    if setting.norm not in get_args(Norm):
        raise TheoryError(nearest("norm", setting.norm, get_args(Norm)))
    for name in ("depth", "batch", "width"):
        value = getattr(setting, name)
        if value is not None and value < 1:
            raise TheoryError(f"{name}: {value} is too few, give 1 or more")
    if not 0 <= setting.input_variance < math.inf:
        raise TheoryError(f"input_variance: {setting.input_variance!r} is no variance")
    if setting.weight_variance == 0:
        raise TheoryError("weight_variance: 0 lets nothing pass, give more")
    if setting.norm == "batchnorm" and setting.residual:
        raise TheoryError(
            "residual: is not known together with norm batchnorm, ask for one of them"
        )
    if setting.norm == "batchnorm" and setting.batch is None:
        raise TheoryError("batch: BatchNorm's growth depends on it, give the number of examples")
    return made


class _State(NamedTuple):
    """A layer: what φ is given, and what the norm divided by to make it."""

    q: float
    divisor: float
    correlation: float


def _forward(setting: Setting, made: Activation) -> list[_State]:
    """Layers 1 … depth + 1, by E[x²], E[x x′] of two examples, and E[x]."""
    square, product, mean = setting.input_variance, 0.0, 0.0
    found: list[_State] = []
    for layer in range(1, setting.depth + 2):
        raw = setting.weight_variance * square + setting.bias_variance
        check_layer(raw, layer)
        shared = setting.weight_variance * product + setting.bias_variance
        q, divisor = (raw, 1.0) if setting.norm == "none" else (1.0, raw)
        correlation = min(1.0, shared / raw) if raw else 0.0
        found.append(_State(q, divisor, correlation))
        shift = expectation(made.function, max(q, made.least), made.edges)
        added = mean_square(q, made)
        together = kernel(correlation, q, made) if setting.batch else 0.0
        if setting.residual and layer > 1:
            square += 2 * mean * shift + added
            product += 2 * mean * shift + together
            mean += shift
        else:
            square, product, mean = added, together, shift
    return found


def _chis(setting: Setting, made: Activation, states: list[_State]) -> list[float]:
    """|δ|² of each layer over that of the next."""
    if setting.norm == "batchnorm":
        assert setting.batch is not None
        growth = batchnorm_growth(setting.batch, made, bessel=setting.bessel)
        return [growth] * setting.depth
    slopes = [mean_square_slope(state.q, made) for state in states]
    found: list[float] = []
    for (slope, above), state in zip(pairwise(slopes), states[1:], strict=True):
        into = setting.weight_variance / state.divisor
        found.append(slope * (into + 1 / above if setting.residual else into))
    return found


def _saturated(setting: Setting, made: Activation, state: _State) -> float | None:
    if made.bounds is None:
        return None
    if setting.norm == "batchnorm" and setting.batch is not None:
        return batchnorm_saturated_share(setting.batch, made, bessel=setting.bessel)
    return saturated_share(state.q, made)


def _dead(setting: Setting, made: Activation, states: list[_State]) -> list[float | None]:
    """Of each layer. BatchNorm puts examples on either side of 0."""
    if setting.batch is None:
        return [None] * setting.depth
    flat = flat_intervals(made)
    if setting.norm == "batchnorm":
        one_sided = all(high <= 0 for _, high in flat) or all(low >= 0 for low, _ in flat)
        return [0.0 if one_sided else None] * setting.depth
    return [
        dead_share(state.q, setting.batch, made, max(0.0, state.correlation))
        if any(abs(end) < 10 * math.sqrt(state.q) for pair in flat for end in pair)
        or state.q < made.least
        else 0.0
        for state in states[:-1]
    ]


def _limit(
    setting: Setting, made: Activation, start: float, chis: list[float]
) -> tuple[float | None, float | None, list[str]]:
    """q, χ and what is to be said of them, deep inside."""
    if setting.residual:
        return None, None, ["with residual sums lengths and factors go on changing with depth"]
    if setting.norm != "none":
        return 1.0, chis[-1], []
    if start == 0:  # zeros stay zeros
        return 0.0, chis[-1], []
    try:
        q = fixed_point(setting.weight_variance, setting.bias_variance, made, start)
    except TheoryError:
        return None, chis[-1], ["lengths grow without end: χ is that of the last layer"]
    return q, chi1(q, setting.weight_variance, made), []


def _critical(setting: Setting, made: Activation) -> float | None:
    if setting.residual or setting.norm != "none":
        return None
    with suppress(TheoryError):
        return critical_weight_variance(setting.bias_variance, made)
    return None


def _spread(setting: Setting, made: Activation) -> float | None:
    if setting.width is None or setting.residual or setting.norm != "none":
        return None
    with suppress(TheoryError):
        _, variance = log_norm([setting.width] * (setting.depth - 1), 2.0, made)
        return math.sqrt(variance) / (2 * math.log(10))
    return None


def _narrow(setting: Setting, spread: float | None) -> list[str]:
    """What is to be said of the width."""
    width, batch = setting.width, setting.batch
    if width is None:
        return []
    said: list[str] = []
    if setting.norm == "batchnorm" and batch is not None and width < least_width(batch):
        said.append(
            f"width {width} is too narrow for BatchNorm's theory at a batch of {batch}, which "
            f"needs {least_width(batch):g} or more"
        )
    if spread is not None and spread > 0.1:
        said.append(
            f"at width {width} the first layer's delta of one example differs from one network to "
            f"the next, by a standard deviation of {spread:.2f}; of a batch by less"
        )
    if spread is None and width < setting.depth * 5:
        said.append(f"width {width} is narrow for {setting.depth} layers: one network differs much")
    return said
