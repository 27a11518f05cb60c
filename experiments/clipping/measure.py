"""Runs that explode and runs that vanish, with their gradient clipped and without."""

import math
from collections.abc import Iterable
from functools import cache

import torch
from torch import Tensor

from experiments.deep import Measured, seeds
from experiments.trained import trained
from ninja import data, theory
from ninja.checks import gain_value
from ninja.config import InitConfig, ModelConfig, NormConfig, OptimizerConfig, RunConfig
from ninja.data import Dataset
from ninja.folders import Diagnosed
from ninja.optim import clipped, grad_norm
from ninja.probes import NOTHING
from ninja.probes.names import flat, names_of
from ninja.probes.snapshot import copied
from ninja.train import Training, begin, begin_together, train_step
from ninja.types import Deltas

DEPTH, WIDTH, CLASSES = 8, 100, 27
GAINS = {"vanishing": 0.5, "exploding": 5.0}
LR, LIMIT, LOOSE = 1.0, 1.0, 1e6
"""Learning rate, the limit of a gradient's norm, and one that no gradient reaches."""
GRID = (
    *("norm=none", "init={bias_std:null,output_scheme:kaiming,output_scale:0.1,norm_std:0.0}"),
    f"model={{n_hidden:{WIDTH},n_layers:{DEPTH}}}",
    *("init.gain=0.5,5", "optimizer.lr=1.0", "optimizer.clip=null,1"),
)
CALLED = {
    ("vanishing", False): "vanishing",
    ("vanishing", True): "vanishing",
    ("exploding", False): "unstable",
    ("exploding", True): "healthy",
}
"""What runs are called, by their gain and whether they are clipped."""


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    count = 2 if quick else 5
    found: Measured = {
        "norm": [_moved(seed) for seed in seeds(0, count)],
        "direction": [_turned(seed) for seed in seeds(1, count)],
        "loose": [_loosened(seed) for seed in seeds(2, count)],
        "stack": [_stacked(seed) for seed in seeds(3, count)],
    }
    # a study of its own, or it would find the longer runs beside its own
    few = ("study=clipping_quick", "steps=200", "seed=1")
    runs = trained(*GRID, *(few if quick else ("study=clipping", "steps=500", "seed=1,2,3")))
    for name in GAINS:
        free, held = (_cell(runs, name, clip) for clip in (None, LIMIT))
        found[f"profile_{name}"] = [_profile(run) for run in free]
        found[f"free_{name}"] = [_called(run, CALLED[name, False]) for run in free]
        found[f"clipped_{name}"] = [_called(run, CALLED[name, True]) for run in held]
    nothing = math.log(CLASSES)
    free, held = (_cell(runs, "exploding", clip) for clip in (None, LIMIT))
    found["worse"] = [float(_loss(run) > nothing) for run in free]
    found["better"] = [float(_loss(run) < nothing) for run in held]
    return found


def predict() -> dict[str, float]:
    """The profiles by `ninja.theory`: of infinitely wide layers."""
    return {
        f"profile_{name}": theory.predict(theory.Setting(DEPTH, gain**2, "tanh")).layers[0].delta
        for name, gain in GAINS.items()
    }


def _config(seed: int, clip: float | None) -> RunConfig:
    return RunConfig(
        seed=seed,
        model=ModelConfig(n_hidden=WIDTH, n_layers=DEPTH),
        init=InitConfig(gain=GAINS["exploding"]),
        norm=NormConfig(name="none"),
        optimizer=OptimizerConfig(lr=LR, clip=clip),
        dtype="float64",
    )


@cache
def _names() -> Dataset:
    return data.load(data.NAMES)


def _laid(run: Training, tensors: Deltas) -> Tensor:
    """All that is trained, end to end."""
    return torch.cat(flat(tensors, names_of(run.params), 0), -1)


def _step(seed: int, clip: float | None) -> Tensor:
    """The update that a first step of training makes."""
    run = begin(_config(seed, clip), _names())
    before = copied(run.params)
    train_step(run, NOTHING)
    return _laid(run, run.params) - _laid(run, before)


def _moved(seed: int) -> float:
    """How far a clipped step goes, over the rate times the limit."""
    return float(_step(seed, LIMIT).norm()) / (LR * LIMIT)


def _turned(seed: int) -> float:
    """1 − cos of the angle by which clipping turns a step."""
    free, held = _step(seed, None), _step(seed, LIMIT)
    return float(1 - torch.cosine_similarity(free, held, dim=0))


def _loosened(seed: int) -> float:
    """The distance of a step below its limit from one that has none."""
    return float((_step(seed, LOOSE) - _step(seed, None)).norm())


def _stacked(seed: int) -> float:
    """How far two runs of a stack are from the norms due, the first over its limit alone."""
    configs = [_config(seed + k, LIMIT) for k in range(2)]
    run = begin_together(configs, _names())
    trace = run.net.forward(run.params, next(run.batches))
    deltas = run.engine(run.net, trace).deltas
    norms = grad_norm(run.params, deltas, 1)
    limits = torch.stack([norms[0] / 2, norms[1] * 2])
    held, _ = clipped(run.params, deltas, limits, 1)
    wanted = torch.stack([limits[0], norms[1]])
    return float((grad_norm(run.params, held, 1) / wanted - 1).abs().max())


def _cell(runs: Iterable[Diagnosed], name: str, clip: float | None) -> list[Diagnosed]:
    """The runs with that gain and that limit, of every seed."""
    return [
        run
        for run in runs
        if (config := run.about.config)
        and gain_value(config["init"]["gain"]) == GAINS[name]
        and config["optimizer"]["clip"] == clip
    ]


def _called(run: Diagnosed, verdict: str) -> float:
    return float(run.verdict == verdict)


def _loss(run: Diagnosed) -> float:
    """At the end; of a run that has diverged there is none."""
    return run.about.losses.get("train", math.inf)


def _profile(run: Diagnosed) -> float:
    (value,) = (
        one.value for one in run.evidence if one.name == "delta profile" and one.when == "start"
    )
    return math.nan if value is None else value
