"""Growth and level of the deltas of deep tanh networks, and how fast two inputs become one."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch

from experiments.deep import Deep, Measured, growth, normal, passed, seeds
from ninja import theory
from ninja.types import Tensors

WIDTH, DEPTH, FIRST, LAST = 500, 40, 3, 37
SETTINGS = {
    "chi_half": (0.5, 0.0),
    "chi_0.9": (0.9, 0.0),
    "chi_ordered": (1.0, 0.05),
    "chi_critical_0.0025": (1.26009, 0.0025),
    "chi_critical_0.01": (1.42421, 0.01),
    "chi_critical_0.05": (1.76095, 0.05),
    "chi_critical_0.1": (1.98607, 0.1),
    "chi_critical_0.3": (2.50513, 0.3),
    "chi_1.3": (1.3, 0.0),
    "chi_gain_5/3": (25 / 9, 0.0),
    "chi_4": (4.0, 0.05),
    "chi_gain_3": (9.0, 0.0),
}
RESTS = {
    name.replace("chi", "rest"): SETTINGS[name]
    for name in (
        *("chi_half", "chi_0.9", "chi_ordered", "chi_critical_0.05"),
        *("chi_1.3", "chi_gain_5/3", "chi_4", "chi_gain_3"),
    )
}
SETTLED = 31
"""The layer from which on lengths are those that the layers keep, whatever the inputs' are."""

LEVEL = (4.0, 0.05)
ORDERED = (1.0, 0.05)
PAIR = 0.6
"""Correlation of two inputs, which the ordered phase makes one."""


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    found: Measured = {}
    for number, (name, setting) in enumerate(SETTINGS.items()):
        found[name] = [_growth(setting, seed) for seed in seeds(number, 3 if quick else 8)]
    found["level"] = [_level(seed) for seed in seeds(len(SETTINGS), 2 if quick else 5)]
    found["correlation"] = [
        _correlation(seed) for seed in seeds(len(SETTINGS) + 1, 3 if quick else 8)
    ]
    for number, (name, setting) in enumerate(RESTS.items(), len(SETTINGS) + 2):
        found[name] = [_rest(setting, seed) for seed in seeds(number, 3 if quick else 8)]
    return found


def predict() -> dict[str, float]:
    """The same by `ninja.theory`."""
    found: dict[str, float] = {}
    for name, (weights, biases) in SETTINGS.items():
        q = theory.fixed_point(weights, biases, "tanh")
        found[name] = theory.chi1(q, weights, "tanh")
    weights, biases = LEVEL
    q = theory.fixed_point(weights, biases, "tanh")
    found["level"] = theory.chi1(q, weights, "tanh") / weights
    found["correlation"] = found["chi_ordered"]
    for name, setting in RESTS.items():
        found[name] = theory.fixed_point(*setting, "tanh")
    return found


def _at_rest(setting: tuple[float, float], rows: int, seed: int) -> torch.Tensor:
    """Inputs whose first pre-activations have the variance q* at once."""
    q = theory.fixed_point(*setting, "tanh")
    if q < 1e-6:  # there is no other fixed point than 0: small, where tanh is a straight line
        return normal(rows, WIDTH, seed, 1e-6)
    return torch.tanh(normal(rows, WIDTH, seed, q))


def _deep(setting: tuple[float, float], rows: int) -> Deep:
    return Deep(DEPTH, WIDTH, "tanh", *setting, batch=rows)


def _growth(setting: tuple[float, float], seed: int) -> float:
    found = passed(_deep(setting, 32), _at_rest(setting, 32, seed), seed)
    return growth(found.layers("linear", "delta_rms") ** 2, FIRST, LAST)


def _rest(setting: tuple[float, float], seed: int) -> float:
    """Mean square of the last pre-activations, of inputs of variance 1."""
    found = passed(_deep(setting, 32), normal(32, WIDTH, seed), seed)
    lengths = [float(y.square().mean()) for y in _pre_activations(found.trace.saved)]
    return float(np.mean(lengths[SETTLED - 1 :]))


def _level(seed: int) -> float:
    """|delta of a pre-activation|² over |delta of its activation|²: a misplaced hook shows."""
    found = passed(_deep(LEVEL, 32), _at_rest(LEVEL, 32, seed), seed)
    before, after = found.layers("linear", "delta_rms"), found.layers("tanh", "delta_rms")
    return float(np.mean((before / after)[FIRST:LAST] ** 2))


def _correlation(seed: int) -> float:
    """The factor of 1 − c a layer, of pairs of inputs."""
    one, other = normal(64, WIDTH, seed), normal(64, WIDTH, seed + 5_000)
    q = theory.fixed_point(*ORDERED, "tanh")
    mixed = PAIR * one + math.sqrt(1 - PAIR**2) * other
    x = torch.tanh(math.sqrt(q) * torch.cat([one, mixed]))
    found = passed(_deep(ORDERED, 128), x, seed)
    defects = np.array(list(_defects(found.trace.saved)))
    steps = defects[1:16] / defects[:15]
    return float(np.exp(np.mean(np.log(steps[4:]))))


def _defects(saved: Mapping[str, Tensors]) -> Iterator[float]:
    """1 − c of every layer's pre-activations, the mean over all pairs."""
    for y in _pre_activations(saved):
        one, other = y.chunk(2)
        c = (one * other).sum(-1) / (one.norm(dim=-1) * other.norm(dim=-1))
        yield float((1 - c).mean())


def _pre_activations(saved: Mapping[str, Tensors]) -> Iterator[torch.Tensor]:
    """Of every layer, the first one first, in float64."""
    for name, tensors in saved.items():
        if name.endswith(".linear"):
            yield tensors["y"].double()
