"""One small case of every rule, on which it is checked: by differences, by identities, by mutants.

An activation needs no entry here: its class is enough.
"""

from dataclasses import dataclass, field, replace

import torch
from torch import Generator, Tensor

from ninja.rules import (
    BatchNorm,
    CrossEntropy,
    Embedding,
    FlattenConsecutive,
    LayerNorm,
    LeakyReLU,
    Linear,
    MeanSquaredError,
    Residual,
    RMSNorm,
    Rule,
    activations,
)
from ninja.types import Shape, Tensors

ROWS, FEATURES = 6, 4


@dataclass(frozen=True)
class Case:
    """A rule and the shapes of a single run's inputs.

    Attributes:
        rule: to be checked.
        floats: shapes of its floating-point inputs.
        fixed: how many of these, the last ones, are given and have no delta (a loss's targets).
        integers: shape and bound of an integer input after them, if there is one.
    """

    rule: Rule
    floats: tuple[Shape, ...] = ((ROWS, FEATURES),)
    fixed: int = 0
    integers: tuple[Shape, int] | None = None

    def draw(
        self, generator: Generator, lead: Shape = (), dtype: torch.dtype = torch.float64
    ) -> "Point":
        """Random tensors for everything the rule reads, away from the kinks at zero."""

        def normal(shape: Shape) -> Tensor:
            z = torch.randn((*lead, *shape), generator=generator, dtype=dtype)
            return z + 0.05 * z.sign()

        free = len(self.floats) - self.fixed
        inputs = {f"x{i}": normal(shape) for i, shape in enumerate(self.floats[:free])}
        given: list[Tensor] = [normal(shape) for shape in self.floats[free:]]
        if self.integers is not None:
            shape, bound = self.integers
            given.append(torch.randint(0, bound, (*lead, *shape), generator=generator))
        params = {name: normal(shape) for name, shape in self.rule.shapes().items()}
        constants = {
            name: torch.rand((*lead, *shape), generator=generator, dtype=dtype) + 0.5
            for name, (shape, _) in self.rule.buffers().items()
        }
        point = Point(self.rule, inputs, tuple(given), params, constants)
        return replace(point, dy=normal(point.forward(point.free)["y"].shape[len(lead) :]))


@dataclass(frozen=True)
class Point:
    """A rule with a value for everything it reads, and a delta for its output.

    Attributes:
        rule: the rule.
        inputs: those that have a delta, as "x0", "x1".
        given: those that have none.
        params: trainable.
        constants: running statistics.
        dy: the output's delta, ones where none is drawn.
    """

    rule: Rule
    inputs: Tensors
    given: tuple[Tensor, ...]
    params: Tensors
    constants: Tensors
    dy: Tensor = field(default_factory=lambda: torch.ones(()))

    @property
    def free(self) -> Tensors:
        """Everything that has a delta, by name."""
        return self.inputs | self.params

    def forward(self, free: Tensors) -> Tensors:
        """The rule's forward at other values of what is free."""
        params = {name: free[name] for name in self.params} | self.constants
        return self.rule.forward(params, *(free[name] for name in self.inputs), *self.given)

    def pull_back(self, free: Tensors, dy: Tensor, *, fused: bool) -> Tensors:
        """The rule's own deltas: of "x0", "x1", and of every parameter and intermediate."""
        params = {name: free[name] for name in self.params} | self.constants
        backward = self.rule.backward_fused if fused else self.rule.backward
        dx, deltas = backward(params, self.forward(free), dy)
        each = dx if isinstance(dx, tuple) else (dx,)
        return dict(zip(self.inputs, each, strict=True)) | deltas


def cases() -> dict[str, Case]:
    """Every rule there is, in each of its forms, by name."""
    row = ((ROWS, FEATURES),)
    batchnorm = {
        "batchnorm": BatchNorm(FEATURES),
        "batchnorm_biased": BatchNorm(FEATURES, bessel=False),
        "batchnorm_plain": BatchNorm(FEATURES, trainable=False),
        "batchnorm_evaluation": BatchNorm(FEATURES).evaluation(),
        "batchnorm_evaluation_std": BatchNorm(FEATURES, running_statistic="std").evaluation(),
    }
    return {
        "embedding": Case(Embedding(5, 3), (), integers=((ROWS, 4), 5)),
        "linear": Case(Linear(FEATURES, 3)),
        "linear_plain": Case(Linear(FEATURES, 3, bias=False)),
        **{name: Case(activation()) for name, activation in activations().items()},
        "leaky_relu_steep": Case(LeakyReLU(slope=0.3)),
        **{name: Case(rule) for name, rule in batchnorm.items()},
        "layernorm": Case(LayerNorm(FEATURES)),
        "layernorm_plain": Case(LayerNorm(FEATURES, trainable=False)),
        "rmsnorm": Case(RMSNorm(FEATURES)),
        "rmsnorm_plain": Case(RMSNorm(FEATURES, trainable=False)),
        "residual": Case(Residual(), row * 2),
        "flatten": Case(FlattenConsecutive(3)),
        "cross_entropy": Case(CrossEntropy(), integers=((ROWS,), FEATURES)),
        "mean_squared_error": Case(MeanSquaredError(), row * 2, fixed=1),
    }
