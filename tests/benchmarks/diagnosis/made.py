"""Records by hand: a network of two linear layers, in which nothing is wrong unless told."""

import math
from collections.abc import Sequence
from typing import Any

from benchmarks.diagnosis.cache import Record
from benchmarks.diagnosis.cases import Trained
from benchmarks.diagnosis.rivals.look import Look, Seen
from ninja.config import ModelConfig, RunConfig

WIDTH = 100
PARAMETER = {
    "w_mean": 0.01,
    "w_abs": 0.1,
    "w_var": 2 / WIDTH,
    "w_neg": 0.5,
    "w_small": 0.0,
    "g_mean": 1e-4,
    "g_abs": 1e-3,
    "g_zero": 0.0,
    "g_p5": -2e-3,
    "g_p95": 2e-3,
    "moved": 1e-3,
    "before_abs": 0.1,
    "before_var": 2 / WIDTH,
    "size": float(WIDTH * WIDTH),
    "fan_in": float(WIDTH),
    "grad_norm": 0.1,
    "weight_norm": 10.0,
    "update_ratio": -3.0,
}
OUTPUT = {
    "y_mean": 0.4,
    "y_off": 0.5,
    "y_silent": 0.0,
    "y_dead": 0.0,
    "y_edge": 0.0,
    "act_std": 0.6,
}
INPUT = {"x_mean": 0.0, "x_var": 1.0, "x_5": 0.0, "x_9": 0.0, "x_23": 0.0}


def layers(activation: str = "relu", **changed: dict[str, float]) -> list[dict[str, Any]]:
    """``W0``, ``act0``, ``W1``, ``act1``, ``out``, with other numbers where told."""
    found: list[dict[str, Any]] = []
    for at in range(3):
        node = "out" if at == 2 else f"layer{at}"
        weight = {"layer": 3 * at, "node": node, "rule": "linear", "tensor": "W"} | PARAMETER
        found.append(weight | changed.get("W", {}) | changed.get(f"W{at}", {}))
        read = {"layer": 3 * at, "node": node, "rule": "linear", "tensor": "y"} | INPUT
        found.append(read | changed.get("x", {}) | changed.get(f"x{at}", {}))
        if at < 2:
            place = {"layer": 3 * at + 1, "node": f"act{at}", "rule": activation, "tensor": "y"}
            found.append(place | OUTPUT | changed.get("act", {}) | changed.get(f"act{at}", {}))
    return found


def trained(activation: str = "relu", steps: int = 300) -> Trained:
    """A run of the product."""
    return Trained(RunConfig(steps=steps, model=ModelConfig(activation=activation)))


def seen(
    *looks: tuple[int, list[dict[str, Any]]],
    activation: str = "relu",
    history: Sequence[float] | None = None,
    accuracy: Sequence[float] | None = None,
    losses: dict[str, float] | None = None,
    steps: int = 300,
) -> Seen:
    """A run whose loss falls slowly from ln 27."""
    falls = [math.log(27) * 0.997**step for step in range(steps)]
    return Seen(
        [Look(step, of) for step, of in looks],
        list(falls if history is None else history),
        list([0.3] * steps if accuracy is None else accuracy),
        trained(activation, steps),
        losses or {},
    )


def record(
    losses: dict[str, float] | None = None,
    history: Sequence[float] = (3.3,) * 300,
    diverged: dict[str, Any] | None = None,
    rows: list[dict[str, Any]] | None = None,
) -> Record:
    """Of a run that was not looked at."""
    return Record(rows or [], [], list(history), [0.0] * len(history), losses or {}, diverged)
