"""The gradient noise scale as the probe estimates it, against all examples one by one."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Generator, Tensor

from experiments.deep import Measured, seeds
from ninja import data, theory
from ninja.config import ModelConfig, NormConfig, RunConfig
from ninja.data import Examples
from ninja.probes import NOTHING
from ninja.probes.names import flat, names_of
from ninja.probes.noise import noise_terms
from ninja.replicas import repeated
from ninja.train import Training, begin, train_step
from ninja.types import Batch, Deltas

STEPS = (0, 100, 500)
POPULATION = 8192
"""Examples that are all there is: then the exact noise can be known."""

SMALL, BATCHES, PAIRS = 32, 16, 300
TOGETHER, ALONE = 20, 512


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    found: dict[str, list[float]] = {f"step_{step}": [] for step in STEPS}
    for seed in seeds(0, 1 if quick else 3):
        for step, run in _trained(seed):
            generator = Generator().manual_seed(seed + step)
            found[f"step_{step}"].append(_estimated(run, generator) / _exact(run))
    return dict(found)


def _trained(seed: int) -> Iterator[tuple[int, Training]]:
    """A run at each of the steps."""
    words = data.load(data.NAMES, 3)
    dataset = replace(words, train=_population(words.train))
    config = RunConfig(
        seed=seed,
        steps=max(STEPS) + 1,
        batch_size=SMALL,
        model=ModelConfig(n_hidden=64),
        norm=NormConfig(name="none"),
        backward="manual_fused",
    )
    run = begin(config, dataset)
    for step in STEPS:
        while run.step < step:
            train_step(run, NOTHING)
        yield step, run


def _population(examples: Examples) -> Examples:
    rows = torch.arange(POPULATION) * len(examples) // POPULATION
    return Examples(examples.contexts[rows], examples.targets[rows])


def _estimated(run: Training, generator: Generator) -> float:
    """By the probe, of pairs of a batch of 32 and one of 512."""
    traces, squares = 0.0, 0.0
    for _ in range(PAIRS // TOGETHER):
        gradients = (_gradients(run, _drawn(generator)) for _ in range(BATCHES))
        trace, square = noise_terms(run.params, gradients, SMALL, 1)
        traces, squares = traces + trace.sum(), squares + square.sum()
    return float(theory.noise_scale(traces, squares))


def _drawn(generator: Generator) -> Tensor:
    return torch.randint(0, POPULATION, (TOGETHER, SMALL), generator=generator)


def _exact(run: Training) -> float:
    """tr(Σ)/|G|² of the population, each example a run of a stack by itself."""
    mean, square = torch.zeros((), dtype=torch.float64), 0.0
    for rows in torch.arange(POPULATION).split(ALONE):
        deltas = _gradients(run, rows[:, None])
        with torch.inference_mode():
            each = torch.cat(flat(deltas, names_of(run.params), 1), -1).double()
            mean = mean + each.sum(0) / POPULATION
            square += float(each.square().sum()) / POPULATION
    length = float(mean.square().sum())
    return (square - length) / length


def _gradients(run: Training, rows: Tensor) -> Deltas:
    """Of (R, B) examples: as many runs with the same parameters, a batch each."""
    examples = run.batches.examples
    batch = Batch(examples.contexts[rows], examples.targets[rows])
    trace = run.net.forward(repeated(run.params, len(rows)), batch, graph=run.engine.graph)
    return run.engine(run.net, trace).deltas
