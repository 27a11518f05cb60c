"""What W&B calls the numbers of a record. Plain data in and out; nothing here knows `wandb`.

A layer's metric ends in its node, ``delta/rms/04.tanh``; a parameter's in node and name,
``grad/norm/05.linear.W``. Nodes are numbered in depth order, with zeros, so that W&B's alphabet is
the order of the layers. A column that is not in the tables below is shown too, under ``layer/`` or
``train/``.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

STEP = "train/step"

OF_STEP = {
    "step": STEP,
    "loss": "loss/train",
    "val_loss": "loss/val",
    "lr": "train/lr",
    "grad_norm": "grad/norm",
    "gap": "gap/total",
    "gap_float64": "gap/float64",
    "cosine": "grad/cosine",
    "noise_trace": "grad/noise_trace",
    "noise_norm2": "grad/noise_norm2",
    "train_us": "time/train_us",
    "probe_us": "time/probe_us",
}

OF_LAYER = {
    "grad_norm": "grad/norm",
    "weight_norm": "weight/norm",
    "update_ratio": "update/log10",
    "delta_rms": "delta/rms",
    "act_mean": "act/mean",
    "act_std": "act/std",
    "saturated": "act/saturated",
    "gate": "act/gate",
    "linear": "act/linear",
    "dead": "act/dead",
    "twins": "act/twins",
    "gap": "gap",
}

SUMMARIES: dict[str, str | None] = {
    "loss/*": "min,last",
    "gap/*": "max,last",
    **dict.fromkeys(("train/*", "grad/*", "weight/*", "update/*", "delta/*", "act/*")),
    **dict.fromkeys(("layer/*", "hist/*", "time/*")),
}
"""Every prefix, and what a run's summary keeps of it: if nothing is said, the last value. `wandb`
heeds this for names without a dot only; of a layer's metrics it always keeps the last value."""

NAMES = {"layer", "node", "rule", "tensor"}
"""Columns that say which layer, and not what of it."""


def metrics(row: Mapping[str, Any]) -> dict[str, float]:
    """All numbers of one recorded step, by W&B's names. Infinities and NaN stay what they are."""
    found: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, (int, float)):
            found[OF_STEP.get(key, f"train/{key}")] = value
    for layer in row.get("layers", ()):
        name = _name(layer)
        for column, value in layer.items():
            if column not in NAMES and isinstance(value, (int, float)):
                found[f"{OF_LAYER.get(column, f'layer/{column}')}/{name}"] = value
    return found


def histograms(row: Mapping[str, Any]) -> Iterator[tuple[str, list[int], list[float]]]:
    """Name, counts and edges of the histograms of a step that has some."""
    for of in row.get("histograms", ()):
        yield f"hist/{of['of']}/{_name(of)}", of["counts"], of["edges"]


def profile(first: Mapping[str, Any], last: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Deltas and gradients against depth: lines of a chart, whose y is a log10.

    Args:
        first: the record's first row.
        last: its last one.

    Returns:
        Rows of: what, depth, layer, value, log10 of the value. What is no positive finite number
        has no logarithm: none.
    """
    return [
        (f"{said}, step {row['step']:,}", depth, _name(layer), value, _log10(value))
        for row in (first, last)
        for column, said in (("delta_rms", "RMS of the delta"), ("grad_norm", "gradient norm"))
        for depth, layer, value in _column(row.get("layers", ()), column)
    ]


def _column(
    layers: Sequence[Mapping[str, Any]], column: str
) -> Iterator[tuple[int, Mapping[str, Any], float]]:
    for layer in layers:
        value = layer.get(column)
        if isinstance(value, (int, float)):
            yield layer["layer"], layer, value


def _log10(value: float) -> float | None:
    return math.log10(value) if 0 < value < math.inf else None


def _name(of: Mapping[str, Any]) -> str:
    """A node's own output needs no name of its own."""
    return of["node"] if of["tensor"] == "y" else f"{of['node']}.{of['tensor']}"


def last_row(result: Mapping[str, Any]) -> dict[str, float]:
    """The step after the last: losses over whole splits."""
    names = {"validation": "val"}
    losses: Mapping[str, float] = result["losses"]
    final = {f"loss/{names.get(key, f'{key}_split')}": value for key, value in losses.items()}
    return {STEP: result["steps"], **final}


FINDING = ("kind", "severity", "layer", "step", "reason", "fix")
"""Columns of the table of findings."""


def findings(result: Mapping[str, Any]) -> list[list[Any]]:
    """A row a finding, causes first; by `FINDING`."""
    return [[of[column] for column in FINDING] for of in result["findings"]]


def summary(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's page and the table of runs show of its end."""
    kept = ("status", "steps", "seconds", "verdict", "findings", "evidence", "diverged")
    found = {key: result[key] for key in kept if result.get(key) is not None}
    return found | {f"final/{split}": loss for split, loss in result["losses"].items()}
