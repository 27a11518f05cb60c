"""The MLPs: networks of the product, on its own words, over everything that a run can vary in."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.diagnosis import wrong
from benchmarks.diagnosis.cases import HEALTHY, PROBE, STEPS, Case, Part, Trained
from benchmarks.diagnosis.faults import FAULTS, between
from ninja.config import InitConfig, ModelConfig, NormConfig, OptimizerConfig, RunConfig

HEALTHY_RUNS = 8
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
    *(Shape("tanh", "none", *of) for of in ((1, 100), (2, 100), (3, 50), (4, 50), (6, 100))),
    *(Shape("relu", "none", *of) for of in ((1, 50), (2, 100), (4, 50), (6, 100), (10, 50))),
    *(Shape("tanh", "batchnorm", *of) for of in ((2, 100), (3, 50), (6, 50))),
    *(Shape("relu", "batchnorm", *of) for of in ((2, 50), (4, 100), (10, 50))),
    Shape("tanh", "none", 10, 50),
    Shape("tanh", "layernorm", 4, 50),
    Shape("relu", "layernorm", 6, 100),
    Shape("relu", "none", 4, 100, "adamw"),
    Shape("tanh", "none", 3, 100, "adamw"),
    Shape("relu", "batchnorm", 4, 50, "adamw"),
    Shape("relu", "none", 8, 50, residual=True),
    Shape("tanh", "layernorm", 6, 50, residual=True),
)
UNSEEN = (
    *(Shape("gelu", "none", *of) for of in ((2, 64), (5, 96), (8, 64))),
    *(Shape("leaky_relu", "none", *of) for of in ((3, 64), (5, 128), (9, 64))),
    *(Shape("sigmoid", "none", *of) for of in ((1, 64), (2, 128), (3, 64))),
    *(Shape("relu", "none", *of) for of in ((3, 128), (5, 64), (7, 96))),
    *(Shape("tanh", "none", *of) for of in ((2, 64), (3, 128), (5, 64), (8, 96))),
    *(Shape("gelu", "batchnorm", *of) for of in ((3, 64), (7, 64))),
    *(Shape("sigmoid", "batchnorm", *of) for of in ((2, 64), (4, 64))),
    Shape("leaky_relu", "batchnorm", 5, 96),
    Shape("relu", "batchnorm", 3, 128),
    Shape("tanh", "batchnorm", 4, 96),
    Shape("gelu", "layernorm", 5, 64),
    Shape("sigmoid", "rmsnorm", 3, 64),
    Shape("tanh", "rmsnorm", 5, 96),
    Shape("relu", "rmsnorm", 3, 64),
    Shape("gelu", "none", 4, 64, "adamw"),
    Shape("leaky_relu", "none", 6, 64, "adamw"),
    Shape("tanh", "batchnorm", 2, 64, "adamw"),
    Shape("gelu", "none", 6, 64, residual=True),
    Shape("tanh", "layernorm", 8, 64, residual=True),
)
SHAPES: dict[Part, tuple[Shape, ...]] = {"dev": DEV, "unseen": UNSEEN}
LRS: dict[Part, dict[str, tuple[float, float]]] = {
    "dev": {"sgd": (0.05, 0.3), "adamw": (0.002, 0.01)},
    "unseen": {"sgd": (0.04, 0.25), "adamw": (0.0015, 0.008)},
}


def cases(part: Part, families: int | None = None) -> Iterator[Case]:
    """Every case of a part, or of its first families; the same ones each time."""
    for shape in SHAPES[part][:families]:
        yield from _family(part, shape)


def _family(part: Part, shape: Shape) -> Iterator[Case]:
    """Healthy runs, and copies of some of them with a fault each.

    Every fault has a generator of its own: another one more changes no case that there was.
    """
    name = f"{part} {shape.name}"
    rng = random.Random(name)
    healthy = [_healthy(rng, part, shape) for _ in range(HEALTHY_RUNS)]
    for config in healthy:
        run = Trained(config)
        yield Case(part, HEALTHY, "", shape.name, run, run)
    for label, fault, count in FAULTS:
        rng = random.Random(f"{name} {fault.__name__}")
        for config in rng.sample(healthy, count):
            made = fault(rng, config)
            if made is not None:
                of = (label, fault.__name__, shape.name)
                sick, twin = Trained(made.config, made.edits), Trained(config)
                yield Case(part, *of, sick, twin, made.concern, made.strength, made.layer)
    rng = random.Random(f"{name} wrong gradient")
    mutants = [m for m in wrong.applicable(healthy[0]) if wrong.is_seen(m) == (part == "dev")]
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
