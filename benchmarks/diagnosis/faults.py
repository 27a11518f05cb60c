"""Faults by construction: each takes a healthy run and makes it sick, more or less.

A fault draws its strength, so that it is sometimes too weak to matter: `label` then leaves the run
out, by its loss alone.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from benchmarks.diagnosis.cases import Concern, Edit
from ninja.config import NetworkConfig, RunConfig
from ninja.networks import build
from ninja.rules import BatchNorm, LayerNorm, Linear, RMSNorm

VOCABULARY = 27


@dataclass(frozen=True)
class Made:
    """A healthy run with a fault.

    Attributes:
        config: of the sick run.
        edits: of its first values.
        strength: of the fault.
        layer: the node that has it; empty where all have.
        concern: the loss that it must spoil.
    """

    config: RunConfig
    edits: tuple[Edit, ...] = ()
    strength: float = 0.0
    layer: str = ""
    concern: Concern = "end"


Fault = Callable[[random.Random, RunConfig], Made | None]
"""None where a network of this shape cannot have it."""


def between(rng: random.Random, low: float, high: float) -> float:
    """Evenly on a logarithmic scale, in three digits."""
    return float(f"{low * (high / low) ** rng.random():.3g}")


def with_init(config: RunConfig, **values: Any) -> RunConfig:
    """Other first values."""
    return replace(config, init=replace(config.init, **values))


def with_lr(config: RunConfig, lr: float) -> RunConfig:
    """Another learning rate."""
    return replace(config, optimizer=replace(config.optimizer, lr=float(f"{lr:.3g}")))


@cache
def _nodes(network: NetworkConfig, kind: type | tuple[type, ...]) -> tuple[str, ...]:
    net = build(network, VOCABULARY)
    return tuple(node.name for node in net.nodes if isinstance(node.rule, kind))


def linears(config: RunConfig) -> tuple[str, ...]:
    """The hidden linear layers, in forward order."""
    return _nodes(config.network, Linear)[:-1]


def norms(config: RunConfig) -> tuple[str, ...]:
    """The normalisations, in forward order."""
    return _nodes(config.network, (BatchNorm, LayerNorm, RMSNorm))


def _plain(config: RunConfig) -> bool:
    return config.norm.name == "none"


def _sgd(config: RunConfig) -> bool:
    return config.optimizer.name == "sgd"


# --- the first values -----------------------------------------------------------------------------


def vanishing(rng: random.Random, config: RunConfig) -> Made | None:
    """A small gain in a deep network without a norm."""
    if not _plain(config) or config.model.n_layers < 4 or config.model.residual:
        return None
    gain = between(rng, 0.1, 0.9)
    return Made(with_init(config, gain=gain), strength=gain)


def vanishing_layer(rng: random.Random, config: RunConfig) -> Made | None:
    """One layer's weights much too small: what lies before it gets no gradient."""
    names = linears(config)
    if not _plain(config) or len(names) < 3 or config.model.residual:
        return None
    node, factor = rng.choice(names[1:]), between(rng, 1e-6, 0.03)
    return Made(config, (Edit("scale", node, "W", factor),), factor, node)


def exploding(rng: random.Random, config: RunConfig) -> Made | None:
    """A large gain in a deep network without a norm, of an activation that has no ceiling."""
    if not _plain(config) or config.model.n_layers < 4:
        return None
    if config.model.activation in ("tanh", "sigmoid"):
        return None
    gain = between(rng, 1.9, 4.5)
    return Made(with_init(config, gain=gain), strength=gain)


def exploding_layer(rng: random.Random, config: RunConfig) -> Made | None:
    """One layer's weights much too large, in a network without a norm."""
    names = linears(config)
    if not _plain(config) or len(names) < 3 or config.model.activation in ("tanh", "sigmoid"):
        return None
    node, factor = rng.choice(names[1:]), between(rng, 5, 300)
    return Made(config, (Edit("scale", node, "W", factor),), factor, node)


def saturated(rng: random.Random, config: RunConfig) -> Made | None:
    """A large gain where the activation has a ceiling."""
    if not _plain(config) or config.model.activation not in ("tanh", "sigmoid"):
        return None
    if config.model.n_layers > 4:
        return None
    high = 200 if config.model.activation == "sigmoid" else 60
    gain = between(rng, high / 10, high)
    return Made(with_init(config, gain=gain), strength=gain)


def saturated_input(rng: random.Random, config: RunConfig) -> Made | None:
    """Inputs much too large where the first activation has a ceiling."""
    if not _plain(config) or config.model.activation not in ("tanh", "sigmoid"):
        return None
    factor = between(rng, 8, 80) * (4 if config.model.activation == "sigmoid" else 1)
    edit = Edit("scale", "00.embedding", "C", factor)
    return Made(config, (edit,), factor, linears(config)[0])


def saturated_bias(rng: random.Random, config: RunConfig) -> Made | None:
    """Biases much too large where the activation has a ceiling."""
    if not _plain(config) or config.model.activation not in ("tanh", "sigmoid"):
        return None
    std = between(rng, 4, 40) * (4 if config.model.activation == "sigmoid" else 1)
    return Made(with_init(config, bias_std=std), strength=std)


def dead(rng: random.Random, config: RunConfig) -> Made | None:
    """Every hidden bias far below zero."""
    if config.model.activation not in ("relu", "gelu") or not _plain(config):
        return None
    shift = between(rng, 2, 20) * (3 if config.model.activation == "gelu" else 1)
    edits = tuple(Edit("shift", node, "b", -shift) for node in linears(config))
    return Made(config, edits, shift)


def dead_layer(rng: random.Random, config: RunConfig) -> Made | None:
    """One layer's biases far below zero."""
    if config.model.activation not in ("relu", "gelu") or not _plain(config):
        return None
    shift = between(rng, 3, 30) * (3 if config.model.activation == "gelu" else 1)
    node = rng.choice(linears(config))
    return Made(config, (Edit("shift", node, "b", -shift),), shift, node)


def dead_norm(rng: random.Random, config: RunConfig) -> Made | None:
    """One BatchNorm's β far below zero."""
    if config.model.activation != "relu" or config.norm.name != "batchnorm":
        return None
    shift, node = between(rng, 3, 20), rng.choice(norms(config))
    return Made(config, (Edit("shift", node, "bias", -shift),), shift, node)


def dead_step(rng: random.Random, config: RunConfig) -> Made | None:
    """A first step so large that it kills the units."""
    if config.model.activation != "relu" or not _plain(config) or not _sgd(config):
        return None
    factor = between(rng, 20, 200)
    sick = with_lr(config, config.optimizer.lr * factor)
    schedule = ((1, float(f"{1 / factor:.6g}")),)
    spike = replace(sick.optimizer, lr_schedule=schedule)
    return Made(replace(sick, optimizer=spike), strength=factor)


def symmetric(_: random.Random, config: RunConfig) -> Made | None:
    """Every hidden weight zero."""
    if config.model.n_layers < 2:
        return None
    return Made(with_init(config, gain=0.0))


def symmetric_constant(rng: random.Random, config: RunConfig) -> Made | None:
    """Every hidden weight the same number."""
    if config.model.n_layers < 2 or config.model.residual:
        return None
    value = between(rng, 0.003, 0.1)
    edits = tuple(Edit("fill", node, "W", value) for node in linears(config))
    return Made(config, edits, value)


def linear_gain(rng: random.Random, config: RunConfig) -> Made | None:
    """So small a gain in a shallow network of tanh that no unit leaves its straight part."""
    if config.model.activation != "tanh" or not _plain(config) or config.model.n_layers > 3:
        return None
    gain = between(rng, 0.01, 0.15)
    return Made(with_init(config, gain=gain, bias_std=None), strength=gain)


def linear_input(rng: random.Random, config: RunConfig) -> Made | None:
    """Small inputs that orthogonal weights keep small, without a loss of gradient."""
    if config.model.activation != "tanh" or not _plain(config):
        return None
    factor = between(rng, 0.005, 0.05)
    edit = Edit("scale", "00.embedding", "C", factor)
    sick = with_init(config, scheme="orthogonal", gain=1.0, bias_std=None)
    return Made(sick, (edit,), factor)


def linear_norm(rng: random.Random, config: RunConfig) -> Made | None:
    """γ so small that tanh or sigmoid is a straight line; the gradients do not care."""
    if config.model.activation not in ("tanh", "sigmoid") or not norms(config):
        return None
    factor = between(rng, 0.002, 0.05)
    edits = tuple(Edit("scale", node, "gain", factor) for node in norms(config))
    return Made(config, edits, factor)


def overconfident(rng: random.Random, config: RunConfig) -> Made | None:
    """An output layer so large that the first loss is far above ln C."""
    scale = between(rng, 3, 25)
    return Made(with_init(config, output_scale=scale), strength=scale, concern="area")


# --- the update -----------------------------------------------------------------------------------


def diverged(rng: random.Random, config: RunConfig) -> Made | None:
    """A learning rate far too large."""
    if not _plain(config) or not _sgd(config):
        return None
    factor = between(rng, 100, 10_000)
    return Made(with_lr(config, config.optimizer.lr * factor), strength=factor)


def unstable(rng: random.Random, config: RunConfig) -> Made | None:
    """A learning rate too large."""
    factor = between(rng, 3, 100)
    return Made(with_lr(config, config.optimizer.lr * factor), strength=factor)


def stalled(rng: random.Random, config: RunConfig) -> Made | None:
    """A learning rate far too small."""
    factor = between(rng, 1e-5, 0.05)
    return Made(with_lr(config, config.optimizer.lr * factor), strength=factor)


def mismatch(rng: random.Random, config: RunConfig) -> Made | None:
    """Running statistics too slow for so few steps."""
    if config.norm.name != "batchnorm":
        return None
    momentum = rng.choice((0.0001, 0.0003, 0.001, 0.003, 0.01))
    sick = replace(config, norm=replace(config.norm, momentum=momentum))
    return Made(sick, strength=momentum, concern="evaluation")


FAULTS: tuple[tuple[str, Fault, int], ...] = (
    ("vanishing", vanishing, 4),
    ("vanishing", vanishing_layer, 2),
    ("exploding", exploding, 3),
    ("exploding", exploding_layer, 2),
    ("saturated", saturated, 5),
    ("saturated", saturated_input, 2),
    ("saturated", saturated_bias, 3),
    ("dead", dead, 2),
    ("dead", dead_layer, 2),
    ("dead", dead_norm, 2),
    ("dead", dead_step, 1),
    ("symmetric", symmetric, 1),
    ("symmetric", symmetric_constant, 1),
    ("linear", linear_gain, 4),
    ("linear", linear_input, 3),
    ("linear", linear_norm, 4),
    ("overconfident", overconfident, 1),
    ("diverged", diverged, 1),
    ("unstable", unstable, 5),
    ("stalled", stalled, 2),
    ("mismatch", mismatch, 4),
)
"""Class, fault, and how many a shape gets of it."""
