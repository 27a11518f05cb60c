"""What W&B calls the numbers of a record. Plain data in and out; nothing here knows `wandb`.

A layer's metric ends in its node, ``delta/rms/04.tanh``; a parameter's in node and name,
``grad/norm/05.linear.W``. Nodes are numbered in depth order, with zeros, so that W&B's alphabet is
the order of the layers. A column that is not in the tables below is shown too, under ``layer/`` or
``train/``.
"""

from collections.abc import Iterator, Mapping
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
    "*": None,
    **dict.fromkeys((OF_STEP["loss"], OF_STEP["val_loss"]), "min,last"),
    **dict.fromkeys((OF_STEP["gap"], OF_STEP["gap_float64"]), "max,last"),
}
"""What is told W&B of names, and what a run's summary keeps of each: if nothing is said, the last
value. A whole name comes before a pattern; of two patterns W&B takes any. Each line takes time."""

VERDICT, SECONDS, FINAL = "verdict", "seconds", "final/{}"
"""What a run's summary calls its verdict, its duration, and a split's loss at the end."""

FINDINGS = "health/findings"
"""What the table of findings is called."""

NAMES = {"layer", "node", "rule", "tensor"}
"""Columns that say which layer, and not what of it."""


def metrics(row: Mapping[str, Any]) -> dict[str, float]:
    """All numbers of one recorded step, by W&B's names. Infinities and NaN stay what they are."""
    found: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, (int, float)):
            found[OF_STEP.get(key, f"train/{key}")] = value
    for layer in row.get("layers", ()):
        name = named(layer)
        for column, value in layer.items():
            if column not in NAMES and isinstance(value, (int, float)):
                found[f"{OF_LAYER.get(column, f'layer/{column}')}/{name}"] = value
    return found


def logged(row: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Of which layers a recorded step has numbers that have a name of their own here.

    Yields:
        Prefix, name and depth: ``delta/rms``, ``04.tanh``, 4 are of ``delta/rms/04.tanh``.
    """
    for layer in row.get("layers", ()):
        for column in layer:
            if column in OF_LAYER:
                yield OF_LAYER[column], named(layer), layer["layer"]


def histograms(row: Mapping[str, Any]) -> Iterator[tuple[str, list[int], list[float]]]:
    """Name, counts and edges of the histograms of a step that has some."""
    for of in row.get("histograms", ()):
        yield f"hist/{of['of']}/{named(of)}", of["counts"], of["edges"]


def named(of: Mapping[str, Any]) -> str:
    """What ends the name of a layer's metric: a node's own output needs no name of its own."""
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
    kept = ("status", "steps", SECONDS, VERDICT, "findings", "evidence", "diverged")
    found = {key: result[key] for key in kept if result.get(key) is not None}
    return found | {FINAL.format(split): loss for split, loss in result["losses"].items()}
