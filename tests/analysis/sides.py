"""Sides of a comparison as tables, without a file: for what is asked of hundreds of them."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from analysis.compare.side import Side

Loss = Callable[[float, int], float]
"""Of a gain and a seed, in nats."""


def side(
    loss: Loss,
    gains: Iterable[float] = (1.0,),
    seeds: Iterable[int] = (1, 2, 3),
    sick: Callable[[float, int], bool] = lambda *_: False,
    **more: Any,
) -> Side:
    """A run a gain and seed.

    Args:
        loss: of all three splits.
        gains: a setting each.
        seeds: of every gain.
        sick: whether the run is.
        more: columns of the table of runs.
    """
    seeds = list(seeds)
    rows: list[dict[str, Any]] = []
    for gain in gains:
        for seed in seeds:
            name, ill, value = f"study/{gain}-{seed}", sick(gain, seed), loss(gain, seed)
            row: dict[str, Any] = {"run": name, "run_id": name[6:], "study": "study"}
            row |= {"status": "done" if math.isfinite(value) else "diverged", "seed": seed}
            row |= {"init.gain": gain, "norm.name": "none", "data_sha256": "0", "device": "cpu"}
            row |= {"verdict": "vanishing" if ill else "healthy", "healthy": not ill}
            row |= {"fix": "init.gain=tanh" if ill else "", "git_revision": "1" * 40}
            row |= {"execution": "eager", "threads": 1, "version.torch": "2.12"}
            row |= {f"loss_{split}": value for split in ("train", "validation", "test")}
            rows.append(row | more)
    runs = pd.DataFrame(rows).astype({"healthy": "boolean"}).set_index("run", drop=False)
    numbers = {"profile": 0.25, "gap": 1e-7, "step_time": math.log(1e-3)}
    return Side("here", runs, pd.DataFrame(numbers, index=runs.index))
