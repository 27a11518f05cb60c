"""Growth of the deltas back through time, in a tanh RNN: one matrix in every step."""

import math

import torch

from experiments.deep import Measured, Passed, Project, growth, normal, orthogonal, pulled, seeds
from ninja import theory
from ninja.init import Constant, Generators, Normal, Orthogonal
from ninja.net import Net, Node, draw
from ninja.rules import Linear, Residual, Tanh
from ninja.types import Batch

WIDTH, ROWS = 300, 32
STEPS, FIRST, LAST = 60, 10, 55
GAINS = {"0.9": 0.9, "1.5": 1.5, "2": 2.0}
DRIVE = 0.1
"""Variance of what the input adds to a pre-activation."""


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    found: Measured = {}
    for number, (name, gain) in enumerate(GAINS.items()):
        count = 1 if quick else 3
        found[f"still_{name}"] = [_still(gain, seed) for seed in seeds(number, count)]
    for number, (name, gain) in enumerate(GAINS.items(), len(GAINS)):
        count = 3 if quick else 8
        found[f"driven_{name}"] = [_driven(gain, seed) for seed in seeds(number, count)]
    return found


def predict() -> dict[str, float]:
    """The same by `ninja.theory`."""
    found: dict[str, float] = {}
    for name, gain in GAINS.items():
        found[f"still_{name}"] = math.sqrt(theory.chi1(0.0, gain**2, "tanh"))
        q = theory.fixed_point(gain**2, DRIVE, "tanh")
        found[f"driven_{name}"] = theory.chi1(q, gain**2, "tanh")
    return found


def _net(*, driven: bool) -> Net:
    """h ← tanh(h W + x U), a node for each operation of each step; the first h is the input x.

    Every step has a U of its own: it sees as much of x anew as an RNN sees in the next token.
    """
    nodes: list[Node] = []

    def add(node: Node) -> str:
        nodes.append(node)
        return node.name

    recurrent, drive = Linear(WIDTH, WIDTH, False), Linear(WIDTH, WIDTH, False)
    state, size = "tokens", Normal(math.sqrt(DRIVE), math.sqrt(WIDTH))
    for step in range(STEPS):
        weights = Constant(0.0) if step else Orthogonal()  # drawn once, and tied by `_passed`
        h = add(Node(f"{step:02d}.0.linear", recurrent, (state,), {"W": weights}))
        if driven:
            u = add(Node(f"{step:02d}.1.drive", drive, ("tokens",), {"W": size}))
            h = add(Node(f"{step:02d}.2.sum", Residual(), (h, u)))
        state = add(Node(f"{step:02d}.3.tanh", Tanh(), (h,)))
    add(Node(f"{STEPS:02d}.loss", Project(), (state, "targets")))
    return Net(tuple(nodes))


def _passed(gain: float, seed: int, *, driven: bool) -> Passed:
    """One pass, in float64. Without a drive the state is zero, and stays so."""
    net, generators = _net(driven=driven), Generators.of(seed)
    params = draw(net, generators, torch.float64)
    recurrent = [name for name in params if name.endswith(".linear")]
    W = gain * orthogonal(params[recurrent[0]]["W"])
    params |= {name: {"W": W} for name in recurrent}
    x = normal(ROWS, WIDTH, seed).double()
    # of one length: a row whose drive is weaker in every step would outgrow the others
    x = x * driven / x.square().mean(-1, keepdim=True).sqrt()
    direction = torch.randn(x.shape, generator=generators.run, dtype=x.dtype)
    return pulled(net, params, Batch(x, direction))


def _still(gain: float, seed: int) -> float:
    """The factor of |δ| a step, of all of them together: a single norm rounds by more than that."""
    rms = _passed(gain, seed, driven=False).layers("linear", "delta_rms")
    return float((rms[0] / rms[-1]) ** (1 / (STEPS - 1)))


def _driven(gain: float, seed: int) -> float:
    """The factor of |δ|² a step."""
    rms = _passed(gain, seed, driven=True).layers("sum", "delta_rms")
    return growth(rms**2, FIRST, LAST)
