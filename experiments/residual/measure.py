"""Growth of the deltas through residual sums: without a norm, with LayerNorm before and behind."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from experiments.deep import Measured, Passed, Project, growth, normal, pulled, seeds
from ninja import theory
from ninja.init import Generators, Normal
from ninja.net import Net, Node, draw
from ninja.rules import Identity, LayerNorm, Linear, ReLU, Residual, Rule
from ninja.types import Batch

Block = Literal["plain", "pre", "post"]
"""x + W φ(x), x + W φ(LN(x)), or LN(x + W φ(x))."""

WIDTHS: dict[Block, int] = {"plain": 600, "pre": 300, "post": 300}
"""Without a norm a narrow network has a factor that is a little too small."""
ROWS = 32
DEPTH, FIRST, LAST = 20, 2, 18
"""Blocks without a norm, and those of the fit."""
GROWTHS = {"growth_2": 2.0, "growth_1.25": 0.5}
"""σw² of the claims."""
DEPTHS = (10, 20, 40, 80)


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    found: Measured = {}
    count = 3 if quick else 10
    for number, (name, variance) in enumerate(GROWTHS.items()):
        found[name] = [_growth(variance, seed) for seed in seeds(number, count)]
    for number, depth in enumerate(DEPTHS, len(GROWTHS)):
        found[f"pre_{depth}"] = [_whole(depth, seed) for seed in seeds(number, count)]
    for number, block in enumerate(("pre", "post"), len(GROWTHS) + len(DEPTHS)):
        found[f"{block}_last"] = [_exponent(block, seed) for seed in seeds(number, count)]
    return found


def predict() -> dict[str, float]:
    """The same by `ninja.theory`."""
    found: dict[str, float] = {}
    for name, variance in GROWTHS.items():
        found[name] = float(theory.residual_growth(DEPTH, variance, 0, "relu", "W φ(x)")[-1])
    for depth in DEPTHS:
        found[f"pre_{depth}"] = float(np.prod(theory.pre_layernorm_growth(depth, 2, 0, "relu")))
    lengths = [theory.pre_layernorm_length(depth, 1, 0, "relu") for depth in DEPTHS]
    found["pre_last"] = _power([1 / math.sqrt(one) for one in lengths])
    return found


def _net(block: Block, depth: int, weight_variance: float) -> Net:
    """Its nodes; the first is the input itself, and before the loss pre-LN has a last norm."""
    nodes, width = [Node("0000.input", Identity(), ("tokens",))], WIDTHS[block]

    def add(kind: str, rule: Rule, *inputs: str) -> str:
        fills = {"W": Normal(math.sqrt(weight_variance), math.sqrt(width))}
        nodes.append(Node(f"{len(nodes):04d}.{kind}", rule, inputs, fills))
        return nodes[-1].name

    norm = LayerNorm(width, eps=0.0, trainable=False)
    x = nodes[0].name
    for _ in range(depth):
        branch = add("norm", norm, x) if block == "pre" else x
        branch = add("linear", Linear(width, width, False), add("relu", ReLU(), branch))
        x = add("residual", Residual(), x, branch)
        if block == "post":
            x = add("norm", norm, x)
    if block == "pre":
        x = add("norm", norm, x)
    add("loss", Project(), x, "targets")
    return Net(tuple(nodes))


def _passed(block: Block, depth: int, weight_variance: float, seed: int) -> Passed:
    net, generators = _net(block, depth, weight_variance), Generators.of(seed)
    params, width = draw(net, generators), WIDTHS[block]
    direction = torch.randn(ROWS, width, generator=generators.run)
    return pulled(net, params, Batch(normal(ROWS, width, seed), direction))


def _growth(weight_variance: float, seed: int) -> float:
    found = _passed("plain", DEPTH, weight_variance, seed)
    return growth(found.layers("residual", "delta_rms") ** 2, FIRST, LAST)


def _whole(depth: int, seed: int) -> float:
    """|δ|² of the first block's input over that of the last block's output."""
    found = _passed("pre", depth, 2.0, seed)
    first = found.layers("input", "delta_rms")[0]
    return float((first / found.layers("residual", "delta_rms")[-1]) ** 2)


def _exponent(block: Block, seed: int) -> float:
    """Of the norm of the last matrix's gradient."""
    norms = [
        _passed(block, depth, 1.0, seed + 1_000 * number).layers("linear", "grad_norm", "W")[-1]
        for number, depth in enumerate(DEPTHS)
    ]
    return _power(norms)


def _power(numbers: Sequence[float]) -> float:
    """The p of a curve (1 + L/2)^p through numbers of networks of `DEPTHS`."""
    return float(np.polyfit(np.log(1 + np.array(DEPTHS) / 2), np.log(numbers), 1)[0])
