"""Runs as they lie on disk, of any number of layers and looks, written by the product's own writer.

Their numbers are those of a gradient that grows or shrinks by a factor a layer: nothing is trained.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ninja import diagnosis, records, result
from ninja.config import ModelConfig, NormConfig, RunConfig
from ninja.diagnosis import About
from ninja.result import LOSSES, Result

DONE = dict(zip(LOSSES, (2.1, 2.2, 2.3, 2.1), strict=True))


@dataclass(frozen=True)
class Shape:
    """Of a run.

    Attributes:
        hidden: layers of linear and tanh.
        looks: steps that were looked at.
        every: steps between them.
    """

    hidden: int = 4
    looks: int = 6
    every: int = 10

    @property
    def nodes(self) -> list[tuple[int, str, str]]:
        """Depth, node and rule."""
        rules = ["embedding", *["linear", "tanh"] * self.hidden, "linear"]
        return [(depth, f"{depth:02d}.{rule}", rule) for depth, rule in enumerate(rules)]


def places(shape: Shape) -> list[records.Place]:
    """Where the numbers of a look belong."""
    found: list[records.Place] = []
    for depth, node, rule in shape.nodes:
        tensor = {"embedding": "C", "linear": "W"}.get(rule)
        if tensor:
            found += [
                (depth, node, rule, tensor, column)
                for column in ("grad_norm", "weight_norm", "update_ratio")
            ]
        found.append((depth, node, rule, "y", "delta_rms"))
        if rule == "tanh":
            found += [
                (depth, node, rule, "y", column)
                for column in ("act_mean", "act_std", "saturated", "dead", "gate", "linear")
            ]
    return found


def numbers(shape: Shape, growth: float, noise: np.random.Generator) -> list[float]:
    """Of one look, in the order of the places.

    Args:
        shape: of the run.
        growth: of the gradient, from a layer to the one before it.
        noise: multiplies each by up to a tenth.
    """
    plain = {
        "weight_norm": 5.0,
        "update_ratio": -2.8,
        "act_mean": 0.01,
        "act_std": 0.6,
        "saturated": 0.05,
        "dead": 0.0,
        "gate": 0.0,
        "linear": 0.1,
    }
    last = shape.nodes[-1][0]
    found: list[float] = []
    for depth, _, _, _, column in places(shape):
        grown = 1e-2 * growth ** ((last - depth) / 2)
        value = grown if column in ("delta_rms", "grad_norm") else plain[column]
        found.append(value * float(noise.uniform(0.95, 1.05)))
    return found


def run(
    folder: Path,
    shape: Shape | None = None,
    *,
    growth: float = 1.0,
    seed: int = 1,
    losses: Mapping[str, float] | None = None,
    finished: bool = True,
    diverged: bool = False,
    config: Mapping[str, Any] | None = None,
    **more: Any,
) -> Path:
    """Write a run's folder.

    Args:
        folder: output/study/run_id.
        shape: of the network and of the record.
        growth: of the gradient, a layer.
        seed: of the noise, and of the run.
        losses: in the end.
        finished: leave a result and tables.
        diverged: the last look is not finite.
        config: keys that differ from the default, nested.
        more: fields of the result.
    """
    shape = shape or Shape()
    folder.mkdir(parents=True)
    noise = np.random.default_rng(seed)
    with records.Record(folder) as file:
        file.place("layers", places(shape))
        for look in range(shape.looks):
            bare = numbers(shape, growth, noise)
            lost = diverged and look == shape.looks - 1
            loss = math.nan if lost else 3.3 - look / shape.looks
            row: dict[str, Any] = {"step": look * shape.every, "loss": loss, "lr": 0.1}
            row |= {"grad_norm": 0.5, "gap": 1e-7, "layers": bare, "train_us": 400.0}
            file.append(row)
    whole = asdict(
        RunConfig(
            study=folder.parent.name,
            seed=seed,
            model=ModelConfig(n_layers=shape.hidden),
            norm=NormConfig(name="none"),
        )
    )
    for key, value in (config or {}).items():
        whole[key] = {**whole[key], **value} if isinstance(value, Mapping) else value
    if finished:
        where = {"step": (shape.looks - 1) * shape.every, "node": "01.linear", "tensor": "y"}
        end(folder, whole, {} if diverged else losses or DONE, where if diverged else None, more)
    else:
        from omegaconf import OmegaConf

        (folder / ".hydra").mkdir()
        OmegaConf.save(OmegaConf.create(_plain(whole)), folder / ".hydra" / "config.yaml")
    return folder


def end(
    folder: Path,
    config: Mapping[str, Any],
    losses: Mapping[str, float],
    diverged: Mapping[str, Any] | None,
    more: Mapping[str, Any],
) -> None:
    """Make the tables and the result, as `ninja.fit` does."""
    deque(records.finish(folder), maxlen=0)
    history = diagnosis.read(records.checked(folder))
    about = About(27, losses, diverged, config)
    evidence = diagnosis.gather(history, losses, diverged)
    findings = diagnosis.diagnose(history, about)
    plain: dict[str, Any] = {
        "run_id": folder.name,
        "status": "diverged" if diverged else "done",
        "steps": (history.last or 0) + 1,
        "losses": dict(losses),
        "diverged": diverged,
        "classes": 27,
        "data_sha256": "0" * 64,
        "config": _plain(config),
        "seconds": 1.5,
        "execution": "eager",
        "verdict": diagnosis.verdict(findings, diagnosis.unknown(evidence)),
        "findings": [asdict(one) for one in findings],
        "evidence": [asdict(one) for one in evidence],
        "finished": "2026-01-01T00:00:00+00:00",
        "git_revision": "0" * 40,
    }
    result.write(folder, Result(**plain | dict(more)))


def _plain(value: Any) -> Any:
    """Tuples as lists."""
    if isinstance(value, Mapping):
        return {key: _plain(of) for key, of in value.items()}
    return (
        [_plain(of) for of in value]
        if isinstance(value, Sequence | tuple) and not isinstance(value, str)
        else value
    )
