"""Every operation of a network: its forward and its hand-derived backward, side by side."""

from ninja.rules.activations import (
    GELU,
    Activation,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Tanh,
    activations,
)
from ninja.rules.base import Rule, intermediates
from ninja.rules.batchnorm import BatchNorm, BatchNormEvaluation
from ninja.rules.embedding import Embedding
from ninja.rules.layernorm import LayerNorm, RMSNorm
from ninja.rules.linear import Linear
from ninja.rules.losses import CrossEntropy, MeanSquaredError
from ninja.rules.shape import FlattenConsecutive, Residual

__all__ = [
    "GELU",
    "Activation",
    "BatchNorm",
    "BatchNormEvaluation",
    "CrossEntropy",
    "Embedding",
    "FlattenConsecutive",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MeanSquaredError",
    "RMSNorm",
    "ReLU",
    "Residual",
    "Rule",
    "Sigmoid",
    "Tanh",
    "activations",
    "intermediates",
]
