"""Exercises 1 to 4 of the lecture: by hand against autograd, to the end."""

import math
from pathlib import Path

import numpy as np
import torch

from experiments.deep import Measured
from experiments.trained import trained
from ninja import data
from ninja.folders import Diagnosed
from ninja.init import Generators
from ninja.net import count, draw
from ninja.networks import PRESETS, build
from ninja.verify import LECTURE, first_step, network, verify
from ninja.words import NAMES

SEED, BATCH = 2147483647, 32
STEPS, FEW = 200_000, 3_000
"""As many as the lecture made, and as the quick form makes; the rate falls at half of them."""


def measure(*, quick: bool, words: Path | None = None) -> Measured:
    """The claims' numbers."""
    steps = FEW if quick else STEPS
    hand, autograd = (_trained(engine, steps, words) for engine in ("manual_fused", "autograd"))
    found = _exercises(words)
    for split in ("train", "validation"):
        found[split] = [hand.about.losses[split]]
        found[f"apart_{split}"] = [abs(hand.about.losses[split] - autograd.about.losses[split])]
    losses = [run.history.scalars["loss"] for run in (hand, autograd)]
    found["first"] = [float(abs(losses[0][0] - losses[1][0]))]
    found["curve"] = [float(np.abs(losses[0] - losses[1]).max())]
    found["gap"] = [float(np.nanmax(hand.history.scalars["gap"]))]
    found["right"] = [float("wrong gradient" not in run.verdict) for run in (hand, autograd)]
    return found


def _trained(engine: str, steps: int, words: Path | None) -> Diagnosed:
    """One run of exercise 4: the same seed, so the same start and the same batches."""
    (run,) = trained(
        "experiment=lecture_manual",
        *(f"study=manual_{engine}_{steps}", f"backward={engine}", f"steps={steps}"),
        *("probe.val_every=0", f"optimizer.lr_schedule=[[{steps // 2},0.1]]"),
        words=words,
    )
    return run


def _exercises(words: Path | None) -> Measured:
    """Exercises 1 to 3, at the first batch; and how much there is to train in exercise 4."""
    dataset = data.load(words or NAMES)
    net = build(network(LECTURE), dataset.vocabulary.size)
    params, batch = first_step(net, dataset, SEED, BATCH, torch.float32, None)
    report = verify(net, params, batch, lecture=True)
    whole = build(PRESETS["lecture_manual"], dataset.vocabulary.size)
    return {
        "exercise_1": [float(sum(row.exact for row in report.rows))],
        "exercise_2": [max((row.maxdiff for row in report.exercise_2), default=math.nan)],
        "exercise_3": [max((row.maxdiff for row in report.exercise_3), default=math.nan)],
        "parameters": [float(count(draw(whole, Generators.of(SEED))))],
    }
