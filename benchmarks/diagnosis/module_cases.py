"""Cases of the networks that are not MLPs, and the faults that they can have."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property

from torch import nn

from benchmarks.diagnosis import modules
from benchmarks.diagnosis.cases import HEALTHY, Case, Concern, Edit
from benchmarks.diagnosis.faults import between

STEPS = 200
HEALTHY_RUNS = 5


@dataclass(frozen=True)
class Module:
    """A run of a `torch.nn.Module`.

    Attributes:
        kind: "convolutions", "transformer" or "recurrence".
        activation: of its hidden layers.
        norm: of the convolutions.
        depth: convolutions, or blocks.
        width: channels, or features.
        gain: of the hidden weights.
        output_scale: of the last layer's weight.
        lr: of SGD, or of AdamW.
        adamw: in place of SGD.
        momentum: of BatchNorm's running statistics.
        seed: of the first values and the data.
        edits: of the first values, in order.
    """

    kind: str
    activation: str
    norm: str
    depth: int
    width: int
    gain: float
    output_scale: float
    lr: float
    adamw: bool
    seed: int
    momentum: float = 0.1
    edits: tuple[Edit, ...] = ()

    @cached_property
    def key(self) -> str:
        """A hash of it."""
        plain = json.dumps([STEPS, asdict(self)])
        return hashlib.sha256(plain.encode()).hexdigest()[:16]

    @property
    def config(self) -> None:
        """It is not the product's."""
        return

    @property
    def steps(self) -> int:
        """That it trains."""
        return STEPS

    @property
    def classes(self) -> int:
        """Of its data."""
        return modules.IMAGES if self.kind == "convolutions" else modules.LETTERS

    def build(self) -> nn.Module:
        """Without its first values."""
        match self.kind:
            case "convolutions":
                sizes = self.depth, self.width
                return modules.Convolutions(self.activation, self.norm, *sizes, self.momentum)
            case "transformer":
                return modules.Transformer(self.activation, self.depth, self.width)
            case _:
                return modules.Recurrence(self.activation, self.width)


@dataclass(frozen=True)
class Shape:
    """What the runs of a family have in common, and where its healthy ones lie."""

    kind: str
    activation: str
    norm: str
    depth: int
    width: int
    gains: tuple[float, float]
    lrs: tuple[float, float]
    adamw: bool = False

    @property
    def name(self) -> str:
        """Of the family."""
        extra = "-adamw" if self.adamw else ""
        return f"{self.kind}-{self.activation}-{self.norm}-{self.depth}x{self.width}{extra}"


SHAPES = (
    Shape("convolutions", "relu", "none", 3, 8, (1.3, 1.5), (0.1, 0.2)),
    Shape("convolutions", "gelu", "batchnorm", 4, 8, (1.0, 2.0), (0.2, 0.35)),
    Shape("convolutions", "tanh", "none", 4, 8, (1.2, 1.6), (0.008, 0.02), adamw=True),
    Shape("convolutions", "relu", "batchnorm", 3, 8, (1.0, 2.0), (0.2, 0.35)),
    Shape("convolutions", "relu", "none", 6, 8, (1.3, 1.5), (0.004, 0.01), adamw=True),
    Shape("transformer", "gelu", "layernorm", 2, 32, (0.8, 1.2), (0.1, 0.3)),
    Shape("transformer", "relu", "layernorm", 1, 32, (0.8, 1.2), (0.002, 0.006), adamw=True),
    Shape("recurrence", "tanh", "none", 1, 64, (0.9, 1.2), (0.08, 0.3)),
    Shape("recurrence", "relu", "none", 1, 64, (0.9, 1.1), (0.04, 0.12)),
)

Made = tuple[Module, Concern, float, str]
Fault = Callable[[random.Random, Module], Made | None]


def _names(run: Module) -> list[str]:
    """The hidden weights, in forward order."""
    return [name for name, _ in modules.weights(run.build())][:-1]


def vanishing(rng: random.Random, run: Module) -> Made | None:
    """A small gain, through many convolutions or letters."""
    if run.norm != "none" or (run.kind == "convolutions" and run.depth < 4):
        return None
    gain = between(rng, 0.02, 0.5)
    return replace(run, gain=gain), "end", gain, ""


def exploding(rng: random.Random, run: Module) -> Made | None:
    """A large gain, of an activation that has no ceiling."""
    if run.norm != "none" or run.activation == "tanh":
        return None
    gain = between(rng, 2.5, 8)
    return replace(run, gain=gain), "end", gain, ""


def saturated(rng: random.Random, run: Module) -> Made | None:
    """A large gain, of an activation that has a ceiling."""
    if run.norm != "none" or run.activation != "tanh":
        return None
    gain = between(rng, 6, 60)
    return replace(run, gain=gain), "end", gain, ""


def dead(rng: random.Random, run: Module) -> Made | None:
    """One layer's biases far below zero."""
    if run.activation != "relu" or run.norm == "batchnorm":
        return None
    nodes = {"transformer": ["blocks.0.up"], "recurrence": ["read"]}
    node = rng.choice(nodes.get(run.kind, [f"conv{at}" for at in range(run.depth)]))
    shift = between(rng, 4, 30)
    return replace(run, edits=(Edit("shift", node, "bias", -shift),)), "end", shift, node


def symmetric(rng: random.Random, run: Module) -> Made | None:
    """Every hidden weight zero."""
    if run.kind == "transformer":  # its letters go round the blocks
        return None
    value = rng.choice((0.0, 0.02))
    edits = (_fill(name, value) for name in _names(run))
    return replace(run, edits=tuple(edits)), "end", value, ""


def _fill(name: str, value: float) -> Edit:
    node, _, tensor = name.rpartition(".")
    return Edit("fill", node, tensor, value)


def overconfident(rng: random.Random, run: Module) -> Made | None:
    """An output layer much too large."""
    scale = between(rng, 5, 30)
    return replace(run, output_scale=scale), "area", scale, ""


def _rate(low: float, high: float) -> Fault:
    def of(rng: random.Random, run: Module) -> Made | None:
        factor = between(rng, low, high)
        return replace(run, lr=float(f"{run.lr * factor:.3g}")), "end", factor, ""

    return of


def mismatch(rng: random.Random, run: Module) -> Made | None:
    """Running statistics too slow for so few steps."""
    if run.norm != "batchnorm":
        return None
    momentum = rng.choice((0.0001, 0.0003, 0.001))
    return replace(run, momentum=momentum), "evaluation", momentum, ""


FAULTS: tuple[tuple[str, str, Fault, int], ...] = (
    ("vanishing", "vanishing", vanishing, 3),
    ("exploding", "exploding", exploding, 2),
    ("saturated", "saturated", saturated, 2),
    ("dead", "dead_layer", dead, 2),
    ("symmetric", "symmetric", symmetric, 1),
    ("overconfident", "overconfident", overconfident, 1),
    ("unstable", "unstable", _rate(5, 200), 3),
    ("stalled", "stalled", _rate(1e-4, 0.01), 2),
    ("mismatch", "mismatch", mismatch, 2),
)
"""Class, name, fault, and how many a shape gets of it."""


def cases() -> Iterator[Case]:
    """All of them; of the unseen part."""
    for shape in SHAPES:
        rng = random.Random(f"modules {shape.name}")
        healthy = [_healthy(rng, shape) for _ in range(HEALTHY_RUNS)]
        for run in healthy:
            yield Case("unseen", HEALTHY, "", shape.name, run, run)
        for label, name, fault, count in FAULTS:
            rng = random.Random(f"modules {shape.name} {name}")
            for run in rng.sample(healthy, count):
                made = fault(rng, run)
                if made is not None:
                    sick, concern, strength, layer = made
                    of = (label, name, shape.name, sick, run, concern, strength, layer)
                    yield Case("unseen", *of)


def _healthy(rng: random.Random, shape: Shape) -> Module:
    return Module(
        shape.kind,
        shape.activation,
        shape.norm,
        shape.depth,
        shape.width,
        between(rng, *shape.gains),
        between(rng, 0.1, 1.0),
        between(rng, *shape.lrs),
        shape.adamw,
        rng.randrange(2**31),
    )
