"""How variances of deltas and of weight gradients go from layer to layer, by Glorot's schemes."""

from experiments.deep import Deep, Measured, Values, normal, passed, seeds
from ninja import theory

DEPTH, WIDTH, ROWS = 5, 1000, 100
STANDARD = WIDTH * theory.standard_variance(WIDTH)
XAVIER = WIDTH * theory.xavier_variance(WIDTH, WIDTH)
SETTINGS = {
    "linear_standard": ("identity", STANDARD),
    "tanh_standard": ("tanh", STANDARD),
    "tanh_xavier": ("tanh", XAVIER),
}
FLAT = "tanh_standard"
"""Whose weight gradients are held to each other as well."""


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    found: Measured = {}
    for number, (name, setting) in enumerate(SETTINGS.items()):
        pairs = [_variances(setting, seed) for seed in seeds(number, 4 if quick else 12)]
        for layer in range(1, DEPTH):
            found[f"{name}_{layer}"] = [float(of[layer] / of[layer - 1]) for of, _ in pairs]
        if name == FLAT:
            for layer in range(1, DEPTH):
                found[f"weights_{layer}"] = [float(of[layer] / of[layer - 1]) for _, of in pairs]
            found["weights_flat"] = [float(of[-1] / of[0]) for _, of in pairs]
    return found


def predict() -> dict[str, float]:
    """The same by `ninja.theory`; that weight gradients are flat is the paper's own claim."""
    found: dict[str, float] = {}
    for name, (phi, weights) in SETTINGS.items():
        ratios = theory.delta_ratios(DEPTH, weights, phi)
        found |= {f"{name}_{layer}": float(one) for layer, one in enumerate(ratios, 1)}
    phi, weights = SETTINGS[FLAT]
    ratios = theory.weight_gradient_ratios(DEPTH, weights, phi)
    return found | {f"weights_{layer}": float(one) for layer, one in enumerate(ratios, 1)}


def _variances(setting: tuple[str, float], seed: int) -> tuple[Values, Values]:
    """Of every layer's deltas and weight gradients, whose means are 0: all have one size."""
    phi, weights = setting
    found = passed(Deep(DEPTH, WIDTH, phi, weights, batch=ROWS), normal(ROWS, WIDTH, seed), seed)
    deltas = found.layers("linear", "delta_rms")
    gradients = found.layers("linear", "grad_norm", "W")
    return deltas**2, gradients**2
