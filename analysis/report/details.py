"""What a row of the table opens: findings, settings, and the layers at the first and last look."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import orjson
import pandas as pd

from analysis.kinds import HEALTHY, kinds
from analysis.run import FINDING
from analysis.settings import labels
from analysis.tables import Records
from ninja.diagnosis import ranges
from ninja.diagnosis.history import ACTIVATIONS
from ninja.parts import Part, parts

DIGITS = 3

TOGETHER = 128
"""Runs whose layers are taken from the table at once; of many only the first have room."""

READ = ("node", "tensor", "grad_norm", "update_ratio", "delta_rms", "gap", *ACTIVATIONS)
"""What `ninja.parts` asks for."""

NUMBERS: Mapping[str, tuple[str, str, ranges.Range | None]] = {
    "grad": ("gradient norm", "L2, all parameters", None),
    "update": ("update", "log10 std(Δw)/std(w)", ranges.UPDATE),
    "saturated": ("saturated", "share of units", ranges.SATURATED),
    "dead": ("dead", "share of units", ranges.DEAD),
    "delta": ("delta RMS", "of ∂loss/∂(pre-activation)", None),
    "profile": ("profile", "log10 of it over the last hidden layer's", ranges.PROFILE),
    "gap": ("gap", "by hand against autograd, relative", ranges.GAP),
}
"""Of a weight matrix and what follows it: title, what it is, and where it is healthy."""


def details(records: Records, runs: pd.DataFrame, room: int) -> dict[str, Any]:
    """Plain data of as many runs as there is room for, those that are sick first.

    Args:
        records: all there is.
        runs: the rows of the table, in its order.
        room: bytes of JSON.

    Returns:
        `numbers`, the columns of a layers' table; `names`, lists of layers that runs share; `runs`,
        by the row in the table.
    """
    order = pd.Series(kinds(runs) == HEALTHY, index=runs.index).sort_values(kind="stable").index
    told = records.findings.groupby("run", sort=False).indices
    findings = _findings(records.findings)
    setting = labels(runs)
    looks = _looks(records, list(runs.loc[order, "run"]))
    names: dict[tuple[str, ...], int] = {}
    found: dict[str, Any] = {}
    columns = [
        {"title": title, "about": about, "healthy": of.bounds if of else None}
        for title, about, of in NUMBERS.values()
    ]
    left = room - _size(columns) - 100
    for row, looked in zip(order, looks, strict=True):
        known = len(names)
        of = {
            "setting": setting[row],
            "folder": runs.at[row, "folder"],
            "findings": [findings[at] for at in told.get(str(runs.at[row, "run"]), ())],
            "looks": [_look(step, of, names) for step, of in looked],
        }
        left -= _size(of) + 10 + sum(map(_size, list(names)[known:]))
        if left < 0:
            break
        found[str(row)] = of
    return {"numbers": columns, "names": [list(name) for name in names], "runs": found}


def _size(value: Any) -> int:
    """Of its JSON, and of what separates it from the next, in bytes."""
    return len(orjson.dumps(value)) + 1


def _findings(findings: pd.DataFrame) -> list[dict[str, Any]]:
    """As plain data."""
    rows = findings[list(FINDING)].astype(object).itertuples(index=False)
    return [
        {name: None if value is pd.NA else value for name, value in zip(FINDING, row, strict=True)}
        for row in rows
    ]


def _looks(records: Records, runs: Sequence[str]) -> Iterator[list[tuple[int, list[Part]]]]:
    """Of each of these runs the first and the last look, as parts of its network."""
    layers = records.layers
    looked = layers[layers["grad_norm"].notna()] if len(layers) else layers
    ends = looked.groupby("run", observed=True)["step"].agg(["min", "max"])
    at = layers["run"].map(ends["min"]), layers["run"].map(ends["max"])
    kept = layers[(layers["step"] == at[0]) | (layers["step"] == at[1])]
    rows = kept.groupby(["run", "step"], observed=True, sort=False).indices
    eased = _eased(records.steps)
    first, last = (_by_run(ends[name]) for name in ("min", "max"))
    for at in range(0, len(runs), TOGETHER):
        these = runs[at : at + TOGETHER]
        steps = {
            run: dict.fromkeys(int(of[run]) for of in (first, last) if run in of) for run in these
        }
        places = [rows[run, step] for run, of in steps.items() for step in of]
        plain = _plain(kept.iloc[np.concatenate(places)]) if places else iter(())
        for run, of in steps.items():
            lowered = eased.get(run, math.inf)
            looks = [(step, list(islice(plain, len(rows[run, step])))) for step in of]
            yield [(step, parts(layers, eased=step >= lowered)) for step, layers in looks]


def _plain(layers: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Row by row the numbers that there are, with what they belong to."""
    columns = [layers[name].tolist() for name in READ]
    for row in zip(*columns, strict=True):
        yield {name: value for name, value in zip(READ, row, strict=True) if value == value}


def _eased(steps: pd.DataFrame) -> Mapping[str, float]:
    """By run, the first step at which a schedule had lowered the learning rate."""
    if "lr" not in steps or steps.empty:
        return {}
    most = steps.groupby("run", observed=True)["lr"].transform("max")
    peak = steps["lr"] == most
    last = steps[peak].groupby("run", observed=True)["step"].max()
    lower = steps[steps["step"] > steps["run"].map(last).astype("float64")]
    return _by_run(lower.groupby("run", observed=True)["step"].min())


def _by_run(steps: pd.Series) -> dict[str, float]:
    return {str(run): float(step) for run, step in steps.items()}


def _look(step: int, found: Sequence[Part], names: dict[tuple[str, ...], int]) -> dict[str, Any]:
    """Its step, which list of layers it has, and the numbers of each."""
    shared = names.setdefault(tuple(part.name for part in found), len(names))
    return {"step": step, "names": shared, "layers": [_numbers(part) for part in found]}


def _numbers(part: Part) -> list[Any]:
    """In the order of `NUMBERS`; an update after the rate was lowered is held to no range."""
    of = dict(part.numbers)
    if "eased" in of:
        of["update"] = of.pop("eased")
    found = [_quantised(of.get(name)) for name in NUMBERS]
    return [*found, "eased"] if "eased" in part.numbers else found


def _quantised(value: float | None) -> float | str | None:
    """With three digits; what is not finite is no JSON, and is told in words."""
    if value is None or math.isfinite(value):
        return None if value is None else float(f"{value:.{DIGITS}g}")
    return "not a number" if math.isnan(value) else f"{value:+.0f}".replace("inf", "∞")
