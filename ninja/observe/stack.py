"""Hidden layers before the first step: what is measured of them, and what theory predicts.

Mean-field theory knows fully connected layers with an elementwise activation each, and nothing
between. There the variance q of a pre-activation and the square of its delta go from layer to layer
by (Schoenholz et al. 2017, equations 3 and 14)::

    q_l     = σw² E[φ(√q_{l−1} z)²] + σb²
    |δ_l|²  = χ_l n_{l+1}/n_l |δ_{l+1}|²,   χ_l = σw² E[φ′(√q_l z)²]   with the σw² of layer l + 1

where σw² is fan_in times the mean square of the weights, |δ|² a mean over the n units of a layer,
and q_1 what was measured.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn
from torch.nn.modules.conv import _ConvNd

from ninja.diagnosis.history import hidden
from ninja.errors import TheoryError
from ninja.theory import NAMED, critical_weight_variance, length, mean_square_slope
from ninja.theory.mean_field import LARGEST

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Hidden:
    """One hidden layer.

    Attributes:
        name: of the module whose output the activation reads; empty where it reads a sum, or the
            like.
        activation: its name.
        q: mean square of the pre-activations.
        delta: RMS of ∂loss/∂(pre-activation); none where the loss does not reach it.
        profile: log10 of that over the last hidden layer's.
        gain: √(fan_in · mean square of the weights); none where it reads no linear layer or
            convolution.
        suggested: the gain at which theory has a gradient keep its size; none where there is none.
        predicted_q: what theory says q is; none where it does not apply.
        chi: χ of this layer, |δ|² of it over that of the next one without the ratio of their
            widths; none where theory does not apply, and of the last one.
        predicted_profile: what theory says the profile is.
    """

    name: str
    activation: str
    q: float
    delta: float | None
    profile: float | None
    gain: float | None
    suggested: float | None
    predicted_q: float | None = None
    chi: float | None = None
    predicted_profile: float | None = None


def measured(model: nn.Module, layers: Sequence[Row]) -> list[Hidden]:
    """The hidden layers of a look, without predictions.

    Args:
        model: whose.
        layers: of the row, in depth order.
    """
    pairs = list(hidden(layers))
    last = pairs[-1][0].get("delta_rms") if pairs else None
    found: list[Hidden] = []
    for before, act in pairs:
        weights = _weights(model, before.get("node", ""))
        square = before.get("act_mean", math.nan) ** 2 + before.get("act_std", math.nan) ** 2
        delta = before.get("delta_rms")
        found.append(
            Hidden(
                before.get("node", "") if weights is not None else "",
                act["rule"],
                square,
                delta,
                None if delta is None or last is None else _log_ratio(delta, last),
                None if weights is None else math.sqrt(_variance(weights)),
                None if weights is None else _suggested(weights, act["rule"]),
            )
        )
    return found


def alike(model: nn.Module, row: Row) -> Row:
    """A row before any step, that tells of weights without a spread.

    The learning rate is 0, as no step was made. An update has the size of such a weight's spread
    then, both none: a ratio of 1, as it is in the record of a training.

    Args:
        model: whose.
        row: of its only look.
    """
    told = [
        {**layer, "update_ratio": 0.0} if _is_alike(model, layer) else layer
        for layer in row.get("layers", ())
    ]
    return {**row, "lr": 0.0, "layers": told}


def _is_alike(model: nn.Module, layer: Row) -> bool:
    """Whether all units of a layer have the same weights, each the same to all it reads."""
    module = _weights(model, layer["node"]) if layer["tensor"] == "weight" else None
    if module is None or module.weight.is_meta or not module.weight.numel():
        return False
    least, most = module.weight.detach().double().aminmax()
    return bool(least == most) and (len(module.weight) > 1 or bool(most == 0))


def _weights(model: nn.Module, name: str) -> nn.Linear | _ConvNd | None:
    """The linear layer or convolution of that name, if it is one."""
    module = dict(model.named_modules()).get("" if name == "model" else name)
    return module if isinstance(module, (nn.Linear, _ConvNd)) else None


def _variance(module: nn.Linear | _ConvNd) -> float:
    """σw²: fan_in times the mean square of the weights."""
    weight = module.weight.detach().double()
    return weight[0].numel() * weight.square().mean().item()


def _bias_variance(module: nn.Linear | _ConvNd) -> float:
    """σb²: the mean square of the biases."""
    return 0.0 if module.bias is None else module.bias.detach().double().square().mean().item()


def _suggested(module: nn.Linear | _ConvNd, activation: str) -> float | None:
    """√ of the critical σw², at the biases as they are, or else without any."""
    if activation not in NAMED:
        return None
    for bias in (_bias_variance(module), 0.0):
        try:
            return math.sqrt(critical_weight_variance(bias, activation))
        except TheoryError:
            continue
    return None


def _log_ratio(one: float, other: float) -> float:
    if math.isnan(one) or math.isnan(other):
        return math.nan
    if not (one > 0 and other > 0):
        return math.nan if one == other else (-math.inf if one == 0 else math.inf)
    return math.log10(one) - math.log10(other)


@dataclass(frozen=True)
class Link:
    """From one hidden layer of a fully connected stack to the next.

    Attributes:
        layer: the linear layer between them.
        kept: by what a dropout between them multiplies mean squares, 1/(1 − p).
    """

    layer: nn.Linear
    kept: float


def predicted(found: Sequence[Hidden], links: Sequence[Link]) -> list[Hidden] | str:
    """The hidden layers with what theory says of them, or why it says nothing.

    Args:
        found: measured, of a fully connected stack.
        links: from each to the next, one fewer.
    """
    unfit = "holds values that are not finite, or beyond all use"
    q = found[0].q
    lengths, factors = [q], list[float]()
    for one, link in zip(found, links, strict=False):
        variance = _variance(link.layer) * link.kept
        if not 0 <= q < LARGEST:
            return f"the pre-activation of {one.activation} number {len(lengths)} {unfit}"
        if not math.isfinite(variance + _bias_variance(link.layer)):
            return f"the linear layer after {one.activation} number {len(lengths)} {unfit}"
        factors.append(variance * mean_square_slope(q, one.activation))
        q = length(q, variance, _bias_variance(link.layer), one.activation)
        lengths.append(q)
    profile = [0.0]
    for chi, link in zip(reversed(factors), reversed(links), strict=True):
        ratio = link.layer.out_features / link.layer.in_features
        profile.append(profile[-1] + (math.log10(chi * ratio) / 2 if chi > 0 else -math.inf))
    both = zip(found, lengths, [*factors, None], reversed(profile), strict=True)
    return [
        replace(one, predicted_q=q, chi=chi, predicted_profile=level) for one, q, chi, level in both
    ]
