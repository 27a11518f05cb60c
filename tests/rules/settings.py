"""One entry for each rule: how to make it, what it reads, and its twin in torch's own functions.

To test a new rule, add an entry to `SETTINGS`; an activation is one line.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional

from ninja.cases import Point
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

VOCAB, CONTEXT, FAN_OUT, GROUP = 5, 4, 3, 3


@dataclass(frozen=True)
class Draw:
    """Random tensors of some size; the scale is that of the inputs only."""

    generator: Generator = field(default_factory=lambda: Generator().manual_seed(1))
    lead: Shape = ()
    dtype: torch.dtype = torch.float64
    rows: int = 6
    features: int = 4
    scale: float = 1.0

    def normal(self, *shape: int) -> Tensor:
        return torch.randn((*self.lead, *shape), generator=self.generator, dtype=self.dtype)

    def positive(self, *shape: int) -> Tensor:
        uniform = torch.rand((*self.lead, *shape), generator=self.generator, dtype=self.dtype)
        return uniform + 0.5

    def integers(self, bound: int, *shape: int) -> Tensor:
        return torch.randint(0, bound, (*self.lead, *shape), generator=self.generator)

    def x(self) -> Tensor:
        return self.scale * self.normal(self.rows, self.features)


@dataclass(frozen=True)
class Setting:
    """A rule as the tests need it.

    Attributes:
        rule: makes it for so many features.
        twin: (parameters and running statistics, *inputs) of a single run → y, by torch.
        inputs: draws those that have a delta.
        given: draws those that have none, such as tokens and targets.
        least: rows and features below which the delta of the input is nothing but rounding.
        largest: scale of the input above which it is.
        exact: it copies, compares, adds or multiplies, so a stack has the bits of its replicas; a
            sum may be taken in another order, and a kernel for tanh or exp computes the elements
            that do not fill a vector by another function.
    """

    rule: Callable[[int], Rule]
    twin: Callable[..., Tensor]
    inputs: Callable[[Draw], tuple[Tensor, ...]] = lambda draw: (draw.x(),)
    given: Callable[[Draw], tuple[Tensor, ...]] = lambda _: ()
    least: tuple[int, int] = (2, 1)
    largest: float = 1e3
    exact: bool = False

    def point(self, draw: Draw) -> Point:
        """The rule with random values for all that it reads, and for dy."""
        rule = self.rule(draw.features)
        inputs = {f"x{i}": x for i, x in enumerate(self.inputs(draw))}
        params = {name: draw.normal(*shape) for name, shape in rule.shapes().items()}
        running = {name: draw.positive(*shape) for name, (shape, _) in rule.buffers().items()}
        point = Point(rule, inputs, self.given(draw), params, running)
        y = point.forward(point.free)["y"]
        return replace(point, dy=draw.normal(*y.shape[len(draw.lead) :]))


def activation(rule: str | Rule, twin: Callable[[Tensor], Tensor], **special: Any) -> Setting:
    """An activation by its name, or one made otherwise than by default."""
    made = activations()[rule]() if isinstance(rule, str) else rule
    return Setting(lambda _: made, lambda _, x: twin(x), **special)


def row(params: Tensors, name: str) -> Tensor | None:
    """γ or β as torch keeps it, (F,), if there is one."""
    return params[name].squeeze(-2) if name in params else None


def batchnorm(params: Tensors, x: Tensor) -> Tensor:
    return functional.batch_norm(
        x, None, None, row(params, "gain"), row(params, "bias"), training=True
    )


def batchnorm_bessel(params: Tensors, x: Tensor) -> Tensor:
    """As the lecture writes it: torch has no batch norm that trains on the unbiased variance."""
    raw = (x - x.mean(0, keepdim=True)) / torch.sqrt(x.var(0, keepdim=True, unbiased=True) + 1e-5)
    return params["gain"] * raw + params["bias"] if params.keys() >= {"gain", "bias"} else raw


def batchnorm_evaluation(params: Tensors, x: Tensor) -> Tensor:
    mean, var = row(params, "running_mean"), row(params, "running_var")
    return functional.batch_norm(
        x, mean, var, row(params, "gain"), row(params, "bias"), training=False
    )


def batchnorm_evaluation_std(params: Tensors, x: Tensor) -> Tensor:
    raw = torch.div(x - params["running_mean"], params["running_std"])
    return params["gain"] * raw + params["bias"]


def layernorm(params: Tensors, x: Tensor) -> Tensor:
    return functional.layer_norm(
        x, x.shape[-1:], row(params, "gain"), row(params, "bias"), eps=1e-5
    )


def rmsnorm(params: Tensors, x: Tensor) -> Tensor:
    return functional.rms_norm(x, x.shape[-1:], row(params, "gain"), eps=1e-5)


SETTINGS: dict[str, Setting] = {
    # activations: the rule, and torch's function
    "identity": activation("identity", torch.nn.Identity(), exact=True),
    "tanh": activation("tanh", torch.tanh),
    "sigmoid": activation("sigmoid", torch.sigmoid, largest=1.0),  # closed, 1 − y is rounding
    "relu": activation("relu", functional.relu, exact=True),
    "leaky_relu": activation("leaky_relu", functional.leaky_relu, exact=True),
    "leaky_relu_steep": activation(
        LeakyReLU(0.3), lambda x: functional.leaky_relu(x, 0.3), exact=True
    ),
    "gelu": activation("gelu", functional.gelu),
    # layers
    "embedding": Setting(
        lambda features: Embedding(VOCAB, features),
        lambda p, tokens: functional.embedding(tokens, p["C"]).flatten(0, 1),
        inputs=lambda _: (),
        given=lambda draw: (draw.integers(VOCAB, draw.rows, CONTEXT),),
        exact=True,
    ),
    "linear": Setting(
        lambda features: Linear(features, FAN_OUT),
        lambda p, x: functional.linear(x, p["W"].mT, p["b"]),
    ),
    "linear_plain": Setting(
        lambda features: Linear(features, FAN_OUT, bias=False),
        lambda p, x: functional.linear(x, p["W"].mT),
    ),
    # norms: with one row (or feature) fewer, the standardised values are constants
    "batchnorm": Setting(lambda features: BatchNorm(features), batchnorm_bessel, least=(3, 1)),
    "batchnorm_plain": Setting(
        lambda features: BatchNorm(features, trainable=False), batchnorm_bessel, least=(3, 1)
    ),
    "batchnorm_biased": Setting(
        lambda features: BatchNorm(features, bessel=False), batchnorm, least=(3, 1)
    ),
    "batchnorm_biased_plain": Setting(
        lambda features: BatchNorm(features, bessel=False, trainable=False), batchnorm, least=(3, 1)
    ),
    "batchnorm_evaluation": Setting(
        lambda features: BatchNorm(features).evaluation(), batchnorm_evaluation
    ),
    "batchnorm_evaluation_plain": Setting(
        lambda features: BatchNorm(features, trainable=False).evaluation(), batchnorm_evaluation
    ),
    "batchnorm_evaluation_std": Setting(
        lambda features: BatchNorm(features, running_statistic="std").evaluation(),
        batchnorm_evaluation_std,
    ),
    "layernorm": Setting(lambda features: LayerNorm(features), layernorm, least=(2, 3)),
    "layernorm_plain": Setting(
        lambda features: LayerNorm(features, trainable=False), layernorm, least=(2, 3)
    ),
    "rmsnorm": Setting(lambda features: RMSNorm(features), rmsnorm, least=(2, 2)),
    "rmsnorm_plain": Setting(
        lambda features: RMSNorm(features, trainable=False), rmsnorm, least=(2, 2)
    ),
    # shape
    "flatten": Setting(
        lambda _: FlattenConsecutive(GROUP),
        lambda _, x: x.view(-1, GROUP * x.shape[-1]),
        inputs=lambda draw: (torch.cat([draw.x() for _ in range(GROUP)], -2),),
        exact=True,
    ),
    "residual": Setting(
        lambda _: Residual(),
        lambda _, x, branch: torch.add(x, branch),
        inputs=lambda draw: (draw.x(), draw.x()),
        exact=True,
    ),
    # losses: of a row that is certain, the probability of the target minus one is rounding
    "cross_entropy": Setting(
        lambda _: CrossEntropy(),
        lambda _, logits, targets: functional.cross_entropy(logits, targets),
        given=lambda draw: (draw.integers(draw.features, draw.rows),),
        largest=1.0,
    ),
    "mean_squared_error": Setting(
        lambda _: MeanSquaredError(),
        lambda _, x, targets: functional.mse_loss(x, targets),
        given=lambda draw: (draw.x(),),
    ),
}


# --- what the tests of this folder share ---------------------------------------------------------


def replica(point: Point, index: tuple[int, ...]) -> Point:
    """One run of a stack; all of it with the index of a single run, ()."""
    return replace(
        point,
        inputs={name: tensor[index] for name, tensor in point.inputs.items()},
        given=tuple(tensor[index] for tensor in point.given),
        params={name: tensor[index] for name, tensor in point.params.items()},
        constants={name: tensor[index] for name, tensor in point.constants.items()},
        dy=point.dy[index],
    )


def leaves(tensors: Tensors) -> Tensors:
    """Copies of them that autograd records from."""
    return {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}


def autograd(y: Tensor, tensors: Tensors, dy: Tensor) -> Tensors:
    """Torch's own deltas of the tensors that y was made from."""
    grads = torch.autograd.grad(y, list(tensors.values()), dy, materialize_grads=True)
    return dict(zip(tensors, grads, strict=True))


def apply_twin(setting: Setting, point: Point, free: Tensors) -> Tensor:
    """Y of a single run, as torch computes it."""
    params = {name: free[name] for name in point.params} | point.constants
    return setting.twin(params, *(free[name] for name in point.inputs), *point.given)


def distance(a: Tensor, b: Tensor) -> float:
    """The largest difference, relative to the largest value; infinite if shapes differ."""
    if a.shape != b.shape:
        return math.inf
    size = max(a.abs().max().item(), b.abs().max().item())
    return (a - b).abs().max().item() / size if size else 0.0
