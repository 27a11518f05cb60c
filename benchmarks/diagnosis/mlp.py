"""The MLPs: networks of the product, on its own words, over everything that a run can vary in."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.diagnosis import wrong
from benchmarks.diagnosis.cases import HEALTHY, PROBE, STEPS, Case, Part, Trained
from benchmarks.diagnosis.faults import FAULTS, between
from ninja.config import InitConfig, ModelConfig, NormConfig, OptimizerConfig, RunConfig

HEALTHY_RUNS = 6
"""Of every shape."""
WRONG_RUNS = 3
"""Of every shape: as many mistakes of the engine."""

GAINS = {
    "tanh": (1.1, 1.65),
    "relu": (1.25, 1.5),
    "leaky_relu": (1.25, 1.5),
    "gelu": (1.3, 1.65),
    "sigmoid": (3.0, 6.0),
}
"""Where a network without a norm keeps its signal's scale."""


@dataclass(frozen=True)
class Shape:
    """What the runs of a family have in common."""

    activation: str
    norm: str
    depth: int
    width: int
    optimizer: str = "sgd"
    residual: bool = False

    @property
    def name(self) -> str:
        """Of the family."""
        extra = f"{'-residual' if self.residual else ''}-{self.optimizer}"
        return f"{self.activation}-{self.norm}-{self.depth}x{self.width}{extra}"


DEV = (
    *(Shape("tanh", "none", *size) for size in ((2, 100), (4, 50), (6, 100), (10, 50))),
    *(Shape("relu", "none", *size) for size in ((2, 100), (4, 50), (6, 100), (10, 50))),
    *(Shape("tanh", "batchnorm", *size) for size in ((2, 100), (6, 50))),
    *(Shape("relu", "batchnorm", *size) for size in ((4, 100), (10, 50))),
    *(Shape("tanh", "layernorm", *size) for size in ((4, 50),)),
    *(Shape("relu", "layernorm", *size) for size in ((6, 100),)),
    Shape("relu", "none", 4, 100, "adamw"),
    Shape("tanh", "none", 3, 100, "adamw"),
    Shape("relu", "none", 8, 50, residual=True),
    Shape("relu", "batchnorm", 24, 50, residual=True),
    Shape("tanh", "batchnorm", 3, 50),
    Shape("tanh", "none", 1, 100),
    Shape("relu", "none", 1, 50),
)
UNSEEN: tuple[Shape, ...] = ()
SHAPES: dict[Part, tuple[Shape, ...]] = {"dev": DEV, "unseen": UNSEEN}
LRS: dict[Part, dict[str, tuple[float, float]]] = {
    "dev": {"sgd": (0.05, 0.3), "adamw": (0.002, 0.01)},
    "unseen": {"sgd": (0.04, 0.25), "adamw": (0.0015, 0.008)},
}


def cases(part: Part) -> Iterator[Case]:
    """Every case of a part; the same ones each time."""
    for shape in SHAPES[part]:
        yield from _family(part, shape)


def _family(part: Part, shape: Shape) -> Iterator[Case]:
    rng = random.Random(f"{part} {shape.name}")
    healthy = [_healthy(rng, part, shape) for _ in range(HEALTHY_RUNS)]
    for config in healthy:
        run = Trained(config)
        yield Case(part, HEALTHY, "", shape.name, run, run)
    for label, fault, count in FAULTS:
        for config in _some(rng, healthy, count):
            made = fault(rng, config)
            if made is not None:
                yield Case(
                    part,
                    label,
                    fault.__name__,
                    shape.name,
                    Trained(made.config, made.edits),
                    Trained(config),
                    made.concern,
                    made.strength,
                    made.layer,
                )
    mutants = wrong.applicable(healthy[0])[part == "dev" :: 2]
    for mutant in rng.sample(mutants, WRONG_RUNS):
        config = replace(rng.choice(healthy), backward=wrong.engine(mutant))
        sick = Trained(config, mutant=mutant.name)
        yield Case(part, "wrong gradient", mutant.name, shape.name, sick, Trained(config))


def _healthy(rng: random.Random, part: Part, shape: Shape) -> RunConfig:
    plain = shape.norm == "none"
    gains = (0.4, 0.6) if shape.residual else GAINS[shape.activation]
    gain = between(rng, *(gains if plain else (0.5, 3.0)))
    lr = between(rng, *LRS[part][shape.optimizer])
    init = InitConfig(
        gain=gain,
        output_scale=between(rng, 0.1, 1.0),
        bias_std=rng.choice((None, None, 0.1)),
    )
    return RunConfig(
        study="diagnosis",
        seed=rng.randrange(2**31),
        steps=STEPS,
        model=ModelConfig(
            n_hidden=shape.width,
            n_layers=shape.depth,
            activation=shape.activation,
            residual=shape.residual,
        ),
        init=init,
        norm=NormConfig(name=shape.norm, momentum=0.1),  # pyright: ignore[reportArgumentType]
        optimizer=OptimizerConfig(name=shape.optimizer, lr=lr),  # pyright: ignore[reportArgumentType]
        probe=PROBE,
        tracker="disabled",
    )


def _some(rng: random.Random, of: list[RunConfig], count: int) -> list[RunConfig]:
    return rng.sample(of, min(count, len(of)))
