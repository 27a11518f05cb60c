"""What holds exactly of gradients, in float64, and how a sure network stops learning."""

import math
from collections.abc import Iterator
from functools import partial

import torch
from torch import Generator, Tensor

from experiments.deep import Deep, Measured, normal, seeds
from ninja.cases import cases
from ninja.config import ModelConfig, NetworkConfig, NormConfig
from ninja.engines import engine
from ninja.identities import identities, running_identities
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import build
from ninja.optim import grad_norm, sgd_
from ninja.rules import BatchNorm, CrossEntropy
from ninja.types import Batch, Deltas, Params

ROWS, WIDTH, DEPTH = 32, 50, 3
SCALE, EPS, STEP = 3.0, 1e-5, 1.0
WIDE = 20_000
"""Features of the swapped divisors: many, since each has a projection of its own."""

CLASS_SUM, ROW_SUM = "Σ dlogits over the classes = 0", "Σ dx = 0"
"""Names of `ninja.identities`."""

CLASSES, HIDDEN = 27, 64
CONFIDENCES = {"chance": 1 / CLASSES, "0.5": 0.5, "0.9": 0.9, "0.99": 0.99}
SURE = 60.0
"""Logit beside zeros: the probability is 1 to the last bit, and no other one is 0."""
SMALL = 1e-6
"""Learning rate at which the loss falls as its gradient says."""


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    count = 2 if quick else 5
    found: Measured = {
        "rules": [_rules(seed) for seed in seeds(0, count)],
        "classes": [_identity("cross_entropy", CLASS_SUM, seed) for seed in seeds(24, count)],
        "rows": [_identity("batchnorm", ROW_SUM, seed) for seed in seeds(25, count)],
        "along": [_along(seed) for seed in seeds(26, count)],
        "running": [_running(seed) for seed in seeds(1, count)],
        "cosine": [_cosine(seed) for seed in seeds(2, count)],
        "scale": [_scale(seed) for seed in seeds(3, count)],
        "bias": [_bias(seed) for seed in seeds(4, count)],
        "eps": [_eps(seed) for seed in seeds(5, count)],
        "sgd": [_sgd(seed) for seed in seeds(6, count)],
        "closed_form": [_closed_form(seed) for seed in seeds(7, count)],
        "swapped_bessel": [_swapped(seed, bessel=True) for seed in seeds(8, count)],
        "swapped_biased": [_swapped(seed, bessel=False) for seed in seeds(9, count)],
    }
    for name, p in CONFIDENCES.items():
        found[f"norm_{name}"] = [_norm(_logit(p))]
    found["norm_1"] = [_norm(SURE)]
    for number, (name, p) in enumerate(list(CONFIDENCES.items())[1:]):
        runs = [_learnt(_logit(p), seed) for seed in seeds(10 + number, count)]
        found[f"gradient_{name}"] = [gradient for gradient, _ in runs]
        found[f"fall_{name}"] = [fall for _, fall in runs]
    found["gradient_1"] = [_learnt(SURE, seed)[0] for seed in seeds(20, count)]
    return found


def _rules(seed: int) -> float:
    """The worst of all identities of all rules, step by step and in closed form."""
    generator = Generator().manual_seed(seed)
    points = [case.draw(generator) for case in cases().values()]
    return max(
        value
        for point in points
        for fused in (False, True)
        for value in identities(point, fused=fused).values()
    )


def _identity(case: str, name: str, seed: int) -> float:
    """One identity of one rule, the worse of the two ways back."""
    point = cases()[case].draw(Generator().manual_seed(seed))
    return max(identities(point, fused=fused)[name] for fused in (False, True))


def _along(seed: int) -> float:
    """Σ dx·x̂ behind a BatchNorm without eps, over Σ|dx·x̂|: the worst feature."""
    x, dy = (normal(ROWS, WIDTH, seed + k).double() for k in (0, 1_000))
    rule = BatchNorm(WIDTH, eps=0.0, trainable=False)
    saved = rule.forward({}, x)
    product = rule.backward_fused({}, saved, dy)[0] * saved["raw"]
    return float((product.sum(0) / product.abs().sum(0)).abs().max())


def _running(seed: int) -> float:
    x = 3 + 2 * normal(ROWS, WIDTH, seed).double()
    rules = [
        BatchNorm(WIDTH, bessel=bessel, running_bessel=running)
        for bessel in (False, True)
        for running in (False, True)
    ]
    return max(value for rule in rules for value in running_identities(rule, x).values())


def _pulled(net: Net, params: Params, batch: Batch, name: str = "manual_fused") -> Deltas:
    way = engine(name)
    return way(net, net.forward(params, batch, graph=way.graph)).deltas


def _normed(seed: int, *, eps: float = 0.0, biased: bool = False) -> tuple[Net, Params, Batch]:
    """Linear layers with a BatchNorm after each, γ and β drawn, random directions at the end."""
    made = partial(BatchNorm, eps=eps)
    net = Deep(DEPTH, WIDTH, "tanh", 1.0, 0.1 if biased else 0.0, norm=made).net()
    params = draw(net, Generators.of(seed), torch.float64)
    noise = Generator().manual_seed(seed + 5_000)
    for own in params.values():
        for key in own.keys() & {"gain", "bias"}:
            own[key] = own[key] + 0.3 * torch.randn(own[key].shape, generator=noise).double()
    x, direction = (normal(ROWS, WIDTH, seed + k).double() for k in (0, 1_000))
    return net, params, Batch(x, direction)


def _weights(net: Net, params: Params, deltas: Deltas) -> Iterator[tuple[Tensor, Tensor]]:
    """Every weight with its gradient."""
    for node in net.nodes:
        if "W" in params[node.name]:
            yield params[node.name]["W"], deltas[node.name]["W"]


def _cosine(seed: int) -> float:
    """The largest |cos(w, ∂w)| of a unit's weights."""
    net, params, batch = _normed(seed)
    pairs = _weights(net, params, _pulled(net, params, batch))
    return max(float(torch.cosine_similarity(w, dw, dim=0).abs().max()) for w, dw in pairs)


def _scale(seed: int) -> float:
    """The distance of α·g(αW) from g(W), over the size of g(W)."""
    net, params, batch = _normed(seed)
    larger = {
        node: {key: SCALE * of if key == "W" else of for key, of in own.items()}
        for node, own in params.items()
    }
    before = _weights(net, params, _pulled(net, params, batch))
    after = _weights(net, larger, _pulled(net, larger, batch))
    pairs = zip(before, after, strict=True)
    return max(float((SCALE * dv - dw).norm() / dw.norm()) for (_, dw), (_, dv) in pairs)


def _bias(seed: int) -> float:
    """The gradient of the biases below the norms, over all of the gradient."""
    net, params, batch = _normed(seed, biased=True)
    deltas = _pulled(net, params, batch)
    biases: Params = {node: {"b": own["b"]} for node, own in params.items() if "b" in own}
    return float(grad_norm(biases, deltas, 0) / grad_norm(params, deltas, 0))


def _eps(seed: int) -> float:
    """The distance of w·∂w from eps/(v + eps)·γ∂γ, over |w||∂w|: the worst unit of all layers."""
    net, params, batch = _normed(seed, eps=EPS)
    trace = net.forward(params, batch)
    deltas = engine("manual_fused")(net, trace).deltas
    norms = [node.name for node in net.nodes if isinstance(node.rule, BatchNorm)]
    worst = 0.0
    for (w, dw), norm in zip(_weights(net, params, deltas), norms, strict=True):
        share = EPS / (trace.saved[norm]["var"] + EPS)
        left = (share * params[norm]["gain"] * deltas[norm]["gain"]).squeeze(0)
        apart = ((w * dw).sum(0) - left) / (w.norm(dim=0) * dw.norm(dim=0))
        worst = max(worst, float(apart.abs().max()))
    return worst


def _sgd(seed: int) -> float:
    """What a step of SGD adds to ‖W‖², over lr²‖∂W‖², of all layers together."""
    net, params, batch = _normed(seed)
    deltas = _pulled(net, params, batch)
    pairs = list(_weights(net, params, deltas))
    expected = STEP**2 * sum(float(dw.square().sum()) for _, dw in pairs)
    before = sum(float(w.square().sum()) for w, _ in pairs)
    sgd_(params, deltas, STEP)  # the weights themselves
    return (sum(float(w.square().sum()) for w, _ in pairs) - before) / expected


def _closed_form(seed: int) -> float:
    """The gradients below BatchNorm by its closed form against autograd's: the worst layer."""
    net, params, batch = _normed(seed)
    ours, theirs = (
        _weights(net, params, _pulled(net, params, batch, name))
        for name in ("manual_fused", "autograd")
    )
    pairs = zip(ours, theirs, strict=True)
    return max(float((dw - dv).norm() / dv.norm()) for (_, dw), (_, dv) in pairs)


def _swapped(seed: int, *, bessel: bool) -> float:
    """How wrong the delta is when forward and backward divide by different numbers."""
    x, dy = (normal(ROWS, WIDE, seed + k).double() for k in (0, 1_000))
    right, wrong = (
        BatchNorm(WIDE, eps=0.0, bessel=of, trainable=False) for of in (bessel, not bessel)
    )
    saved = right.forward({}, x)
    dx, other = (rule.backward_fused({}, saved, dy)[0] for rule in (right, wrong))
    return float((other - dx).norm() / dx.norm())


def _logit(p: float) -> float:
    """Of the target, beside zeros for all others."""
    return math.log((CLASSES - 1) * p / (1 - p))


def _logits(logit: float) -> Tensor:
    """(1, C), the target first."""
    row = torch.zeros(1, CLASSES, dtype=torch.float64)
    row[0, 0] = logit
    return row


def _norm(logit: float) -> float:
    """‖∂logits‖ of one sample, and not a number if the two ways back differ."""
    rule, target = CrossEntropy(), torch.zeros(1, dtype=torch.int64)
    saved = rule.forward({}, _logits(logit), target)
    dy = torch.ones((), dtype=torch.float64)
    norms = [float(way({}, saved, dy)[0].norm()) for way in (rule.backward, rule.backward_fused)]
    return norms[1] if math.isclose(*norms, rel_tol=1e-12, abs_tol=1e-15) else math.nan


def _learnt(logit: float, seed: int) -> tuple[float, float]:
    """What a network makes of one example, against what it would at chance.

    Returns:
        The norm of its whole gradient, and how far the loss falls in one small step.
    """
    norm, fall = _taught(logit, seed)
    norm_at_chance, fall_at_chance = _taught(0.0, seed)
    return norm / norm_at_chance, fall / fall_at_chance


def _taught(logit: float, seed: int) -> tuple[float, float]:
    config = NetworkConfig(model=ModelConfig(n_hidden=HIDDEN), norm=NormConfig(name="none"))
    net = build(config, CLASSES)
    params = draw(net, Generators.of(seed), torch.float64)
    tokens = torch.randint(CLASSES, (1, 3), generator=Generator().manual_seed(seed))
    batch = Batch(tokens, torch.zeros(1, dtype=torch.int64))
    output = net.nodes[-2].name
    # the last bias alone makes the network as sure as wanted: all below it stays what it was
    missing = _logits(logit) - net.forward(params, batch).saved[output]["y"]
    params[output]["b"] = params[output]["b"] + missing.squeeze(0)
    trace = net.forward(params, batch)
    deltas = engine("manual_fused")(net, trace).deltas
    norm = float(grad_norm(params, deltas, 0))
    sgd_(params, deltas, SMALL)
    return norm, float(trace.loss - net.forward(params, batch).loss)
