"""Mistakes in a backward pass that raise no error: what they cost, and when they are seen."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.deep import Measured
from experiments.trained import trained
from ninja.folders import Diagnosed
from ninja.mutants import MUTANTS, Mutant

CLASSES = 27
KNOWN = {
    "bessel": "standardize_backward: n for n − 1",
    "variance": "standardize_backward: the way through the variance lost",
    "counts": "CrossEntropy.backward: the way through the sum lost",
    "embedding": "Embedding.backward: = for += on duplicate tokens",
    "rows": "CrossEntropy.backward: 1/n forgotten",
    "tanh": "Tanh.backward: the saved input for the output",
}
"""The classic ones, by their names in `ninja.mutants`."""
LECTURE = Mutant(
    "Linear.backward",
    "dembcat for embcat in dW1",
    '{"W": saved["x"].mT @ dy}',
    '{"W": (dx if self.fan_in == 30 else saved["x"]).mT @ dy}',
)
"""Of the layer alone that reads the embeddings: three letters of ten numbers."""
MISTAKES = {
    name: mutant for name, of in KNOWN.items() for mutant in MUTANTS if mutant.name == of
} | {"weights": LECTURE}
MILD = ("bessel", "variance")
"""A small part of the gradient is missing."""
HARMFUL = ("counts", "embedding", "weights")
"""A large one is."""
LOUD = ("rows", "tanh")
"""The steps are far too large, or go the wrong way."""


def measure(*, quick: bool, words: Path | None = None) -> Measured:
    """The claims' numbers."""
    short = ("steps=200", "seed=1,2") if quick else ("steps=1000", "seed=1,2,3")
    right = _runs("right", *short)
    wrong = {name: _runs(name, *short, mistake=mistake) for name, mistake in MISTAKES.items()}
    found: Measured = {
        "right": [float(run.verdict == "healthy") for run in right],
        "right_gap": [max(_gaps(run)) for run in right],
        "gap_rows": [_gaps(run)[0] for run in wrong["rows"]],
        "fused_gap": [max(_gaps(run)) for run in _runs("fused", *short, backward="manual_fused")],
    }
    for name, runs in wrong.items():
        found[f"seen_{name}"] = [_seen(run) for run in runs]
    for name in MILD:
        costs = zip(wrong[name], right, strict=True)
        found[f"cost_{name}"] = [_loss(run) - _loss(one) for run, one in costs]
        found[f"quiet_{name}"] = [float(not _others(run)) for run in wrong[name]]
    for name in HARMFUL:
        costs = zip(wrong[name], right, strict=True)
        found[f"worse_{name}"] = [float(_loss(run) > _loss(one)) for run, one in costs]
        found[f"trains_{name}"] = [float(_loss(run) < math.log(CLASSES)) for run in wrong[name]]
    for name in LOUD:
        found[f"loud_{name}"] = [
            float(bool({"unstable", "diverged"} & set(_others(run)))) for run in wrong[name]
        ]
    return found | _bessel() | _whole(3_000 if quick else 200_000, words)


def _runs(
    study: str, *overrides: str, backward: str = "manual_atomic", mistake: Mutant | None = None
) -> list[Diagnosed]:
    """Of the lecture's network, in the order of their seeds."""
    typed = (f"study=wrong_{study}", f"backward={backward}", "norm.calibrate=true", *overrides)
    return sorted(trained(*typed, mistake=mistake), key=lambda run: _config(run)["seed"])


def _bessel() -> Measured:
    """The gap of the smallest mistake, before the first update."""
    runs = _runs(
        "bessel_first",
        *("steps=1", "seed=1,2,3,4,5,6,7,8", "batch_size=32,1024"),
        mistake=MISTAKES["bessel"],
    )
    return {
        f"gap_bessel_{rows}": [_gaps(run)[0] for run in runs if _config(run)["batch_size"] == rows]
        for rows in (32, 1024)
    }


def _whole(steps: int, words: Path | None) -> Measured:
    """Exercise 4 with the lecture's own mistake."""
    (run,) = trained(
        "experiment=lecture_manual",
        *(f"study=wrong_weights_{steps}", f"steps={steps}", "probe.val_every=0"),
        f"optimizer.lr_schedule=[[{steps // 2},0.1]]",
        words=words,
        mistake=LECTURE,
    )
    return {
        "whole_train": [run.about.losses["train"]],
        "whole_validation": [run.about.losses["validation"]],
        "whole_seen": [_seen(run)],
    }


def _config(run: Diagnosed) -> Mapping[str, Any]:
    return run.about.config or {}


def _loss(run: Diagnosed) -> float:
    """Of the training split at the end; of a run that has diverged there is none."""
    return run.about.losses.get("train", math.inf)


def _gaps(run: Diagnosed) -> Sequence[float]:
    """At every look that compares with the other engine."""
    return [float(gap) for gap in run.history.scalars["gap"] if not math.isnan(gap)]


def _seen(run: Diagnosed) -> float:
    """The first step whose gradient is called wrong; infinite if none is."""
    steps = [one.step for one in run.findings if one.kind == "wrong gradient"]
    return min((float(step) for step in steps if step is not None), default=math.inf)


def _others(run: Diagnosed) -> list[str]:
    """What else is found."""
    return [one.kind for one in run.findings if one.kind != "wrong gradient"]
