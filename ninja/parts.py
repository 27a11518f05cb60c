"""The layers of a look by their weight matrices: a number of each that a reader asks for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ninja.diagnosis.history import hidden


@dataclass(frozen=True)
class Part:
    """A weight matrix and all that follows up to the next one: linear, norm, activation.

    Attributes:
        name: of its first and its last node.
        numbers: those that apply. `grad`, the L2 norm of the gradient of all its parameters;
            `update`, log10(std(Δw)/std(w)), or `eased`, the same where a schedule has lowered
            the rate; `saturated` and `dead`, shares of its units; `gap`; `delta`, the RMS of
            ∂loss/∂(pre-activation), and `profile`, its log10 over that of the last hidden layer.
    """

    name: str
    numbers: Mapping[str, float]


def parts(layers: Sequence[Mapping[str, Any]], *, eased: bool = False) -> list[Part]:
    """Group the layers of a row.

    Args:
        layers: in depth order, as a record has them.
        eased: the learning rate is lower than it was: small updates are meant.
    """
    groups: list[list[Mapping[str, Any]]] = []
    starts = {layer["node"] for layer in layers if "update_ratio" in layer}
    node = ""
    for layer in layers:
        if layer["node"] != node and layer["node"] in starts:
            groups.append([])
        node = layer["node"]
        if groups:  # what comes before any matrix has no numbers of its own
            groups[-1].append(layer)
    before = {act["node"]: pre for pre, act in hidden(layers)}
    last = list(before.values())[-1].get("delta_rms") if before else None
    found = [_part(group, before, last) for group in groups]
    return [_eased(part) for part in found] if eased else found


def _eased(part: Part) -> Part:
    numbers = {"eased" if k == "update" else k: number for k, number in part.numbers.items()}
    return Part(part.name, numbers)


def _part(
    group: Sequence[Mapping[str, Any]],
    before: Mapping[str, Mapping[str, Any]],
    last: float | None,
) -> Part:
    numbers: dict[str, float] = {}
    for name, column in (("grad", "grad_norm"), ("gap", "gap")):
        if found := [layer[column] for layer in group if column in layer]:
            numbers[name] = math.hypot(*found)
    for name, column in (("update", "update_ratio"), ("saturated", "saturated"), ("dead", "dead")):
        if found := [layer[column] for layer in group if column in layer]:
            numbers[name] = found[0]
    active = next((layer["node"] for layer in group if layer["node"] in before), None)
    outputs = [layer for layer in group if layer["tensor"] == "y" and "delta_rms" in layer]
    read = before[active] if active else outputs[-1] if outputs else {}
    if "delta_rms" in read:
        numbers["delta"] = read["delta_rms"]
        if active and last is not None:
            numbers["profile"] = _log_ratio(read["delta_rms"], last)
    trained = [layer["node"] for layer in group if layer["tensor"] != "y"]
    first = group[0]["node"]
    end = active or (trained or [first])[-1]
    return Part(first if first == end else f"{first} … {end}", numbers)


def _log_ratio(delta: float, last: float) -> float:
    if not (0 <= delta < math.inf and 0 <= last < math.inf):  # what is no RMS
        return math.nan
    if delta == 0:
        return -math.inf
    return math.log10(delta) - math.log10(last) if last else math.inf
