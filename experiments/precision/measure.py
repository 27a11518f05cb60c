"""What half precision leaves of the deltas of shrinking and growing networks."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from experiments.deep import Deep, Measured, Passed, Values, normal, passed, seeds
from ninja import theory

SHRINKING = Deep(31, 1000, "tanh", 0.5, batch=64)
"""Its deltas halve their square a layer; the first has 30 layers above it."""
GROWING = Deep(16, 1000, "identity", 4.0, batch=64)
"""Its deltas double a layer."""
INPUT = 1e-2
"""Deviation of the inputs: so small that tanh is a straight line."""
STD, SCALE = 1e-3, 2.0**5
"""Deviation of the deltas at the end, and by what a loss is multiplied that is scaled."""
CHI, BELOW = 0.5, (20, 30)
GROWTH, ABOVE = 4.0, 15
HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    found: dict[str, list[float]] = {
        "zero_limit": [_limit(lambda x: x == 0, 2.0**-30, 2.0**-20)],
        "overflow_limit": [_limit(lambda x: ~torch.isinf(x), 1e4, 1e5)],
    }
    count = 2 if quick else 8
    shrunk = [_deltas(_shrunk(STD, seed)) for seed in seeds(0, count)]
    for name, dtype in HALVES.items():
        zeros = [_shares(deltas, dtype, lambda x: x == 0) for deltas in shrunk]
        for below in BELOW:
            found[f"zero_{name}_{below}"] = [float(of[below]) for of in zeros]
        if name == "float16":
            found["depth"] = [_crossing(of) for of in zeros]
    scaled = [_deltas(_shrunk(STD * SCALE, seed)) for seed in seeds(1, count)]
    zeros = [_shares(deltas, torch.float16, lambda x: x == 0) for deltas in scaled]
    found["scaled_30"] = [float(of[BELOW[-1]]) for of in zeros]
    grown = [_deltas(_grown(seed)) for seed in seeds(2, count)]
    for name, dtype in HALVES.items():
        infinite = [_shares(deltas, dtype, torch.isinf) for deltas in grown]
        found[f"infinite_{name}_{ABOVE}"] = [float(of[ABOVE]) for of in infinite]
    return dict(found)


def predict() -> dict[str, float]:
    """The same by `ninja.theory`."""
    found = {
        "zero_limit": theory.FORMATS["float16"].zero,
        "overflow_limit": theory.FORMATS["float16"].infinity,
        "depth": theory.underflow_depth(CHI, STD),
        "scaled_30": float(theory.zero_shares(30, CHI, STD * SCALE)[-1]),
    }
    for name in HALVES:
        shares = theory.zero_shares(max(BELOW), CHI, STD, name)
        for below in BELOW:
            found[f"zero_{name}_{below}"] = float(shares[below - 1])
        found[f"infinite_{name}_{ABOVE}"] = theory.overflow_share(GROWTH ** (ABOVE / 2), name)
    return found


def _limit(fits: Callable[[Tensor], Tensor], low: float, high: float) -> float:
    """The last float32 from low on that fits; high does not."""
    for _ in range(40):
        middle = (low + high) / 2
        # by way of float32, as deltas are
        if bool(fits(torch.tensor(middle, dtype=torch.float32).to(torch.float16))):
            low = middle
        else:
            high = middle
    return low


def _shrunk(std: float, seed: int) -> Passed:
    x, direction = (normal(SHRINKING.batch, SHRINKING.width, seed + k) for k in (0, 1_000))
    return passed(SHRINKING, INPUT * x, seed, std * direction)


def _grown(seed: int) -> Passed:
    return passed(GROWING, INPUT * normal(GROWING.batch, GROWING.width, seed), seed)


def _deltas(found: Passed) -> list[Tensor]:
    """Of every pre-activation, the last one first: an index is the layers that are above."""
    names = [node.name for node in found.net.nodes if node.name.endswith(".linear")]
    return [found.deltas[name]["y"] for name in reversed(names)]


def _shares(deltas: list[Tensor], dtype: torch.dtype, lost: Callable[[Tensor], Tensor]) -> Values:
    """How many of each layer's deltas are lost in that format."""
    return np.array([float(lost(delta.to(dtype)).double().mean()) for delta in deltas])


def _crossing(shares: Values) -> float:
    """The layers below which more than half is 0, on a straight line between two of them."""
    below = int(np.argmax(shares > 0.5))
    if below == 0:  # from the first on, or nowhere
        return 0.0 if shares[0] > 0.5 else np.inf
    before, after = float(shares[below - 1]), float(shares[below])
    return below - 1 + (0.5 - before) / (after - before)
