"""How many tanh units lie beyond ±0.97 layer by layer, and how a gain of 1 lets deltas fall."""

import numpy as np

from experiments.deep import Deep, Measured, Values, normal, passed, seeds
from ninja import theory

GAINS = {"1": 1.0, "5/3": 5 / 3, "3": 3.0}
LAYERS = (1, 3, 10)
WIDTH, DEEPEST = 500, 20
"""Of the shares: in this layer they have long stopped changing."""
WIDER, DEEPER = 640, 100
"""Of the deltas, whose logarithm spreads by about depth over width: so wider than the others."""
FALLS = (10, 30, 100)


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    found: Measured = {}
    for number, (name, gain) in enumerate(GAINS.items()):
        shares = [_shares(gain, seed) for seed in seeds(number, 6 if quick else 15)]
        for layer in LAYERS:
            found[f"saturated_{name}_{layer}"] = [float(one[layer - 1]) for one in shares]
        found[f"asymptote_{name}"] = [float(one[-1]) for one in shares]
    falls = [_falls(seed) for seed in seeds(len(GAINS), 3 if quick else 20)]
    for place, layer in enumerate(FALLS):
        found[f"fall_{layer}"] = [float(one[place]) for one in falls]
    return found


def predict() -> dict[str, float]:
    """The same by `ninja.theory`."""
    found: dict[str, float] = {}
    for name, gain in GAINS.items():
        shares = theory.saturated_shares(max(LAYERS), gain**2, 0.0, "tanh")
        for layer in LAYERS:
            found[f"saturated_{name}_{layer}"] = float(shares[layer - 1])
        rest = theory.fixed_point(gain**2, 0.0, "tanh")
        found[f"asymptote_{name}"] = theory.saturated_share(rest, "tanh")
    q = theory.lengths(DEEPER, 1.0, 0.0, "tanh")
    logs = np.log([theory.chi1(float(one), 1.0, "tanh") for one in q])
    for layer in FALLS:
        found[f"fall_{layer}"] = float(logs[: layer - 1].sum())
    return found


def _shares(gain: float, seed: int) -> Values:
    found = passed(Deep(DEEPEST, WIDTH, "tanh", gain**2), normal(32, WIDTH, seed), seed)
    return found.layers("tanh", "saturated")


def _falls(seed: int) -> Values:
    """ln(|δ₁|²/|δ_l|²) of the pre-activations of one network, for every l of `FALLS`."""
    found = passed(Deep(DEEPER, WIDER, "tanh", 1.0), normal(32, WIDER, seed), seed)
    logs = 2 * np.log(found.layers("linear", "delta_rms"))
    return logs[0] - logs[np.array(FALLS) - 1]
