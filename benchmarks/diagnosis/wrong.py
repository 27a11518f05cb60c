"""Engines that are wrong: the mistakes of `ninja.mutants` that training does not notice."""

from typing import Literal

from ninja.config import RunConfig
from ninja.mutants import MUTANTS, Mutant

_NORMS = ("batchnorm", "layernorm", "rmsnorm")
_NEVER = ("MeanSquaredError", "BatchNormEvaluation", "BatchNorm.running")
_LOUD = (
    *("transpose of W forgotten", "dW transposed", "wrong axis in db", "(1, n) for (n,)"),
    *("(n,) for (1, n)", "not summed", "the first axis", "axes 0 and 1", "y for its derivative"),
    *("wrong axis in dγ",),
)
"""Mistakes whose tensors do not fit: these runs end with an error, and nobody needs a detector."""


def engine(mutant: Mutant) -> Literal["manual_atomic", "manual_fused"]:
    """The one by hand that runs the mutated code."""
    return "manual_fused" if mutant.target.endswith("_fused") else "manual_atomic"


def silent(mutant: Mutant) -> bool:
    """A real mistake whose tensors fit, so that a run goes on with it."""
    return not mutant.equivalent and not any(loud in mutant.mistake for loud in _LOUD)


def affects(mutant: Mutant, config: RunConfig) -> bool:
    """Whether a network of this configuration has the mutated rule."""
    target, model, norm = mutant.target, config.model, config.norm.name
    if target.startswith(_NEVER):
        return False
    owner = target.partition(".")[0].lower()
    match owner:
        case "linear" | "embedding" | "crossentropy" | "flattenconsecutive":
            return True
        case "manual" | "residual":
            return model.residual
        case "batchnorm" | "layernorm" | "rmsnorm":
            return norm == owner
        case "affine_backward":
            return norm in _NORMS
        case "standardize_backward" | "standardize_backward_fused":
            return norm in ("batchnorm", "layernorm")
        case _:
            return model.activation.replace("_", "") == owner


def applicable(config: RunConfig) -> list[Mutant]:
    """The silent mutants that a network of this configuration runs into."""
    return [mutant for mutant in MUTANTS if silent(mutant) and affects(mutant, config)]


def is_seen(mutant: Mutant) -> bool:
    """Whether the development part may have it: every second one of the catalogue."""
    return MUTANTS.index(mutant) % 2 == 0
