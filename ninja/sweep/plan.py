"""Which runs are trained together: those of one shape, in stacks that fit the cache."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from ninja.config import CheckpointConfig, InitConfig, RunConfig, WandbConfig
from ninja.sweep.jobs import Job


def shape_signature(config: RunConfig) -> RunConfig:
    """What the runs of a stack have in common: the configuration without what may differ.

    These may: the seed (and with it the order of the data), the first values, the learning rate,
    the size of the clip, and what changes no number. The boundaries and factors of the learning
    rate's schedule may not, and neither may what is looked at, or when.
    """
    optimizer = config.optimizer
    return replace(
        config,
        seed=0,
        init=InitConfig(),
        optimizer=replace(optimizer, lr=0.0, clip=None if optimizer.clip is None else 1.0),
        study="",
        output="",
        checkpoint=CheckpointConfig(config.checkpoint.every),
        tracker="disabled",
        wandb=WandbConfig(),
    )


def stacks(
    jobs: Sequence[Job], workers: int, most: Callable[[RunConfig], int]
) -> list[tuple[Job, ...]]:
    """The jobs as stacks, the longest first, so that no worker is left with a long one at the end.

    A shape's jobs are dealt into stacks of nearly equal size, and the largest stacks once more
    until all workers have equally many; those of a GPU, which all workers share, are not.

    Args:
        jobs: in any order; a stack keeps it.
        workers: that train at the same time.
        most: how many runs of this configuration a stack may have.
    """
    shapes: dict[RunConfig, list[Job]] = {}
    for job in jobs:
        shapes.setdefault(shape_signature(job.config), []).append(job)
    runs = list(shapes.values())
    counts = [-(-len(of) // most(of[0].config)) for of in runs]
    while sum(counts) % workers:
        sizes = [
            len(of) / count if count < len(of) and of[0].config.device == "cpu" else 0
            for of, count in zip(runs, counts)
        ]
        if not any(sizes):  # every run is alone
            break
        counts[sizes.index(max(sizes))] += 1
    made = [part for of, count in zip(runs, counts) for part in _dealt(of, count)]
    return sorted(made, key=lambda part: -part[0].config.steps * len(part))


def _dealt(jobs: Sequence[Job], count: int) -> list[tuple[Job, ...]]:
    """Consecutive parts, whose sizes differ by one at most."""
    bounds = [len(jobs) * index // count for index in range(count + 1)]
    return [tuple(jobs[start:end]) for start, end in pairwise(bounds)]
