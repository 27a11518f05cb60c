"""What must hold exactly of a rule's deltas, whatever its input: no second computation needed.

Each is a number that is zero in exact arithmetic, divided by the size of its terms.
"""

import torch
from torch import Tensor

from ninja.cases import Point
from ninja.rules import (
    GELU,
    BatchNorm,
    CrossEntropy,
    Embedding,
    FlattenConsecutive,
    Identity,
    LayerNorm,
    LeakyReLU,
    Linear,
    MeanSquaredError,
    ReLU,
    Residual,
    RMSNorm,
    Sigmoid,
    Tanh,
)
from ninja.types import Tensors

TOLERANCE = 1e-9


def identities(point: Point, *, fused: bool) -> dict[str, float]:
    """The identities of a rule at a point in float64; each value should be within rounding of 0."""
    saved = point.forward(point.free)
    deltas = point.pull_back(point.free, point.dy, fused=fused)
    match point.rule:
        case Linear():
            return _linear(point, saved, deltas)
        case Embedding():
            return _embedding(point, saved, deltas)
        case FlattenConsecutive() | Identity() | ReLU() | LeakyReLU():
            along = _sum(point.inputs["x0"], deltas["x0"])
            return {"Σ x·dx = Σ y·dy": _differ(along, _sum(saved["y"], point.dy))}
        case Tanh() | Sigmoid() | GELU():
            return _mirror(point.rule, point, deltas, fused=fused)
        case Residual():
            return {
                "dx = dy": _differ(deltas["x0"], point.dy),
                "dbranch = dy": _differ(deltas["x1"], point.dy),
            }
        case BatchNorm() | LayerNorm() | RMSNorm():
            return _norm(point.rule, point, saved, deltas)
        case CrossEntropy():
            return _cross_entropy(point, saved, deltas)
        case MeanSquaredError():
            along = _sum(saved["diff"], deltas["x0"])
            return {"Σ (x − target)·dx = 2 loss·dy": _differ(along, 2 * saved["y"] * point.dy)}
        case _:
            return {}


def _differ(a: Tensor, b: Tensor) -> float:
    """‖a − b‖ over the larger norm; a shape that differs is as far as can be."""
    if a.shape != b.shape:
        return float("inf")
    return _relative((a - b).norm().item(), max(a.norm().item(), b.norm().item()))


def _relative(distance: float, size: float) -> float:
    """0 of nothing; infinity where there is a distance and nothing to measure it by."""
    if distance == 0:
        return 0.0
    return distance / size if size else float("inf")


def _sum(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((-2, -1)) if a.shape == b.shape else torch.full((), torch.nan)


def _linear(point: Point, saved: Tensors, deltas: Tensors) -> dict[str, float]:
    """y is of degree one in x and in W (Euler): both sums count the same thing."""
    by_weight = _sum(point.params["W"], deltas["W"])
    found = {"Σ x·dx = Σ W·dW": _differ(_sum(point.inputs["x0"], deltas["x0"]), by_weight)}
    whole = by_weight
    if "b" in deltas:
        found["db = Σ dy over the rows"] = _differ(deltas["b"], point.dy.sum(-2))
        whole = by_weight + (point.params["b"] * deltas["b"]).sum(-1)
    return found | {"Σ W·dW + Σ b·db = Σ y·dy": _differ(whole, _sum(saved["y"], point.dy))}


def _embedding(point: Point, saved: Tensors, deltas: Tensors) -> dict[str, float]:
    """Every delta that arrives ends in the table, each once."""
    along = _sum(point.params["C"], deltas["C"])
    return {
        "Σ C·dC = Σ y·dy": _differ(along, _sum(saved["y"], point.dy)),
        "Σ dC over the tokens = Σ dy over the rows": _differ(deltas["C"].sum(-2), point.dy.sum(-2)),
    }


def _mirror(
    rule: Tanh | Sigmoid | GELU, point: Point, deltas: Tensors, *, fused: bool
) -> dict[str, float]:
    """φ′(0) is known. φ′ is even for tanh and the sigmoid; for GELU φ′(x) + φ′(−x) = 1."""

    def dx(x: Tensor) -> Tensor:
        return point.pull_back({"x0": x}, point.dy, fused=fused)["x0"]

    x, there = point.inputs["x0"], dx(-point.inputs["x0"])
    slope = 1.0 if isinstance(rule, Tanh) else 0.25 if isinstance(rule, Sigmoid) else 0.5
    found = {f"φ′(0) = {slope:g}": _differ(dx(torch.zeros_like(x)), slope * point.dy)}
    if isinstance(rule, GELU):
        return found | {"φ′(x) + φ′(−x) = 1": _differ(deltas["x0"] + there, point.dy)}
    return found | {"φ′(x) = φ′(−x)": _differ(deltas["x0"], there)}


def _cross_entropy(point: Point, saved: Tensors, deltas: Tensors) -> dict[str, float]:
    """A row's pushes and pulls cancel, and the pull at the target is what is missing there."""
    dlogits, index, probs = deltas["x0"], saved["index"], saved["probs"]
    if dlogits.shape != probs.shape:
        return {"dlogits has the shape of the logits": float("inf")}
    share = point.dy[..., None, None] / probs.shape[-2]
    push, pull = dlogits.clamp(min=0).sum(-1), -dlogits.clamp(max=0).sum(-1)
    missing = (probs.gather(-1, index) - 1) * share
    return {
        "Σ dlogits over the classes = 0": _differ(push, pull),
        "dlogits at the target = (p − 1)·dy/N": _differ(dlogits.gather(-1, index), missing),
    }


def _norm(
    rule: BatchNorm | LayerNorm | RMSNorm, point: Point, saved: Tensors, deltas: Tensors
) -> dict[str, float]:
    """A norm does not see the scale of its input, nor (but for RMSNorm) its mean.

    With eps the scale shows by a little: Σ dx·diff = eps·var_inv²·Σ draw·raw along the dimension.
    """
    dim = -2 if isinstance(rule, BatchNorm) else -1
    gain = point.params.get("gain", torch.ones((), dtype=point.dy.dtype))
    dx, raw, draw = deltas["x0"], saved["raw"], point.dy * gain
    centred, inv = ("x", "ms_inv") if isinstance(rule, RMSNorm) else ("diff", "var_inv")
    left = (draw * raw).sum(dim, keepdim=True) * rule.eps * saved[inv].square()
    along = (dx * saved[centred]).sum(dim, keepdim=True)
    size = (dx * saved[centred]).abs().sum().item()
    found = {
        "Σ dx·(x − mean) = eps·var_inv²·Σ draw·raw": _relative(
            (along - left).abs().max().item(), size
        )
    }
    if not isinstance(rule, RMSNorm):
        total = dx.sum(dim).abs().max().item()
        found["Σ dx = 0"] = _relative(total, dx.abs().sum().item())
    if "gain" in deltas:
        found["dγ = Σ dy·raw"] = _differ(deltas["gain"], (point.dy * raw).sum(-2, keepdim=True))
    if "bias" in deltas:
        found["dβ = Σ dy"] = _differ(deltas["bias"], point.dy.sum(-2, keepdim=True))
    return found


def running_identities(rule: BatchNorm, x: Tensor) -> dict[str, float]:
    """From (0, 1), one batch moves the running statistics by momentum of the way, and no more."""
    buffers = {
        name: torch.full((*x.shape[:-2], *shape), value, dtype=x.dtype)
        for name, (shape, value) in rule.buffers().items()
    }
    params = {
        name: torch.ones(*x.shape[:-2], *shape, dtype=x.dtype)
        for name, shape in rule.shapes().items()
    }
    after = rule.running(buffers, rule.forward(params, x))
    spread = x.var(-2, correction=int(rule.running_bessel), keepdim=True)
    name = f"running_{rule.running_statistic}"
    if rule.running_statistic == "std":
        spread = spread.sqrt()
    m = rule.momentum
    return {
        "running_mean = momentum·mean": _differ(
            after["running_mean"], m * x.mean(-2, keepdim=True)
        ),
        f"{name} = 1 + momentum·(batch − 1)": _differ(after[name], 1 + m * (spread - 1)),
    }
