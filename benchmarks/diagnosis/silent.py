"""Every mistake that the gap catches, planted in the engine of a run of 200 steps.

Such a run ends without an error, and often with a loss that looks well. The gap is due at step 0.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from benchmarks.diagnosis import wrong
from benchmarks.diagnosis.cache import records_in
from benchmarks.diagnosis.cases import PROBE, Trained
from benchmarks.diagnosis.train import train
from ninja import data
from ninja.config import InitConfig, ModelConfig, NormConfig, OptimizerConfig, RunConfig
from ninja.errors import ShapeError
from ninja.evaluate import Splits
from ninja.mutants import MUTANTS, Mutant, try_mutant

STEPS, SEEDS = 200, (1, 2)
_BASE = RunConfig(
    study="diagnosis",
    steps=STEPS,
    model=ModelConfig(n_hidden=50, n_layers=2),
    # every parameter away from 0 and 1, so that no mistake can hide
    init=InitConfig(gain=1.0, bias_std=0.1, output_scale=0.3, norm_std=0.1),
    norm=NormConfig(momentum=0.1),
    optimizer=OptimizerConfig(lr=0.1),
    probe=replace(PROBE, gap_every=100),
    tracker="disabled",
)


def _with(activation: str, norm: str, *, residual: bool = False) -> RunConfig:
    model = replace(_BASE.model, activation=activation, residual=residual)
    return replace(_BASE, model=model, norm=replace(_BASE.norm, name=norm))


NETWORKS = (
    _with("tanh", "batchnorm"),
    _with("relu", "layernorm", residual=True),
    _with("sigmoid", "rmsnorm"),
    _with("gelu", "batchnorm"),
    _with("leaky_relu", "layernorm"),
)
"""Together they have every rule that a run can train."""


@dataclass(frozen=True)
class Hunt:
    """What came of a mistake.

    Attributes:
        mutant: its name.
        outcome: "found", "missed", "loud": training stopped with an error, or "no network": no run
            trains with the mutated rule.
        step: at which it was found in the last of the runs; none if it was not.
        gap: the smaller of the runs' at step 0, in float64.
        loss: of the runs in the end, at most; none where one diverged.
    """

    mutant: str
    outcome: str
    step: int | None = None
    gap: float | None = None
    loss: float | None = None


def hunts(mutants: tuple[Mutant, ...] = MUTANTS) -> Iterator[Hunt]:
    """Of every mutant that the gap is among the checks to catch."""
    torch.set_num_threads(1)
    dataset = data.load()
    splits = Splits.of(dataset, _BASE.batch_size)
    for mutant in mutants:
        if mutant.equivalent or "gap" not in try_mutant(mutant).caught_by:
            continue
        config = next((one for one in NETWORKS if wrong.affects(mutant, one)), None)
        if config is None:
            yield Hunt(mutant.name, "no network")
            continue
        config = replace(config, backward=wrong.engine(mutant))
        runs = [Trained(replace(config, seed=seed), mutant=mutant.name) for seed in SEEDS]
        try:
            found = records_in(train(runs, dataset, splits))
        except (RuntimeError, ShapeError):
            yield Hunt(mutant.name, "loud")
            continue
        steps = [_found_at(record.rows[:1], run) for record, run in zip(found, runs, strict=True)]
        gaps = [record.rows[0].get("gap_float64", record.rows[0]["gap"]) for record in found]
        losses = [record.losses.get("train") for record in found]
        seen = [step for step in steps if step is not None]
        yield Hunt(
            mutant.name,
            "found" if len(seen) == len(runs) else "missed",
            max(seen) if len(seen) == len(runs) else None,
            min(gaps),
            max(loss for loss in losses if loss is not None) if all(losses) else None,
        )


def _found_at(rows: list[dict[str, Any]], run: Trained) -> int | None:
    """The step that the finding names, by what was known after the first row."""
    from ninja.diagnosis import About, diagnose

    about = About(classes=run.classes, config=asdict(run.config))
    wrongs = [one for one in diagnose(rows, about) if one.kind == "wrong gradient"]
    return wrongs[0].step if wrongs and wrongs[0].severity == "sick" else None


def report() -> dict[str, Any]:
    """How many of the silent ones were found at the first due step, and all of them."""
    found = list(hunts())
    quiet = [hunt for hunt in found if hunt.outcome in ("found", "missed")]
    return {
        "silent": len(quiet),
        "found at step 0": sum(hunt.step == 0 for hunt in quiet),
        "missed": [hunt.mutant for hunt in quiet if hunt.outcome == "missed"],
        "loud": sum(hunt.outcome == "loud" for hunt in found),
        "no network": [hunt.mutant for hunt in found if hunt.outcome == "no network"],
        "mutants": [asdict(hunt) for hunt in found],
    }
