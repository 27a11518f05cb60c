"""Specification of the identities: near zero for right deltas, far from it for wrong ones."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

import ninja.rules
from ninja.cases import Case, Point, cases
from ninja.identities import TOLERANCE, identities, running_identities
from ninja.rules import (
    GELU,
    Activation,
    BatchNorm,
    CrossEntropy,
    Embedding,
    FlattenConsecutive,
    Identity,
    LayerNorm,
    LeakyReLU,
    Linear,
    MeanSquaredError,
    ReLU,
    Residual,
    RMSNorm,
    Rule,
    Sigmoid,
    Tanh,
)
from ninja.types import Shape, Tensors

CASES = cases()
WITHOUT = {"batchnorm_evaluation", "batchnorm_evaluation_std"}
"""Affine rules of constants: nothing is promised but their derivative."""


def point_of(rule_or_case: Rule | Case, lead: Shape = (), seed: int = 1) -> Point:
    case = rule_or_case if isinstance(rule_or_case, Case) else Case(rule_or_case)
    return case.draw(Generator().manual_seed(seed), lead)


# --- right deltas --------------------------------------------------------------------------------


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("lead", [(), (1,), (2, 3)], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_right_deltas_are_within_rounding(name: str, lead: Shape, fused: bool) -> None:
    for seed in range(3):
        found = identities(point_of(CASES[name], lead, seed), fused=fused)
        assert {key for key, value in found.items() if not value < TOLERANCE} == set()


def has_identities(name: str) -> bool:
    return bool(identities(point_of(CASES[name]), fused=False))


@pytest.mark.parametrize("name", CASES)
def test_every_rule_but_the_affine_has_an_identity(name: str) -> None:
    """An activation added since may do without: it has differences, and autograd."""
    rule = CASES[name].rule
    added = isinstance(rule, Activation) and type(rule).__name__ not in ninja.rules.__all__
    assert added or has_identities(name) == (name not in WITHOUT)


# --- wrong deltas --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pulled:
    """What a right rule pulled back, and from what."""

    dx: Any
    deltas: Tensors
    saved: Tensors
    dy: Tensor


Change = Callable[[Pulled], tuple[Any, Tensors]]
"""What a wrong rule returns instead."""


def wrong(kind: type[Rule], change: Change) -> type[Rule]:
    """The rule with its deltas changed, in both forms."""

    def backward(self: Rule, params: Tensors, saved: Tensors, dy: Tensor) -> Any:
        return change(Pulled(*kind.backward(self, params, saved, dy), saved, dy))

    def backward_fused(self: Rule, params: Tensors, saved: Tensors, dy: Tensor) -> Any:
        return change(Pulled(*kind.backward_fused(self, params, saved, dy), saved, dy))

    forms = {"backward": backward, "backward_fused": backward_fused}
    return type(f"Wrong{kind.__name__}", (kind,), forms)


def scaled(name: str, factor: float = 1.01) -> Change:
    """One delta a hundredth too large."""

    def change(p: Pulled) -> tuple[Any, Tensors]:
        if name == "x0":
            return p.dx * factor, p.deltas
        return p.dx, p.deltas | {name: p.deltas[name] * factor}

    return change


def skip_scaled(p: Pulled) -> tuple[Any, Tensors]:
    return (p.dx[0] * 1.01, p.dx[1]), p.deltas


def branch_scaled(p: Pulled) -> tuple[Any, Tensors]:
    return (p.dx[0], p.dx[1] * 1.01), p.deltas


def pushed(p: Pulled) -> tuple[Any, Tensors]:
    """A constant too many: the term that takes the mean away is missing."""
    return p.dx + 0.1, p.deltas


def along_raw(p: Pulled) -> tuple[Any, Tensors]:
    """The term through the variance is missing."""
    return p.dx + 0.1 * p.saved["raw"], p.deltas


def shifted(p: Pulled) -> tuple[Any, Tensors]:
    """The slope of another place."""
    return p.dx + 0.1 * p.saved["y"] * p.dy, p.deltas


def kept(p: Pulled) -> tuple[Any, Tensors]:
    """``=`` instead of ``+=``: of a token's deltas the last one stays."""
    dC = torch.zeros_like(p.deltas["C"])
    dC[p.saved["rows"]] = p.dy
    return p.dx, {"C": dC}


def first_row(p: Pulled) -> tuple[Any, Tensors]:
    """No sum over the rows."""
    return p.dx, p.deltas | {"b": p.dy[0]}


def unweighted(p: Pulled) -> tuple[Any, Tensors]:
    """Γ's delta without raw."""
    return p.dx, p.deltas | {"gain": p.dy.sum(-2, keepdim=True)}


def probabilities(p: Pulled) -> tuple[Any, Tensors]:
    """The one at the target is not subtracted."""
    return p.saved["probs"] * p.dy / p.saved["probs"].shape[-2], p.deltas


def summed(p: Pulled) -> tuple[Any, Tensors]:
    """The sum instead of the mean over the rows; each row still sums to zero."""
    return p.dx * p.saved["probs"].shape[-2], p.deltas


def rolled(p: Pulled) -> tuple[Any, Tensors]:
    """The numbers come back, but not to their places."""
    return p.dx.roll(1, 0), p.deltas


ROW = (6, 4)
DX_DIFF = "Σ dx·(x − mean) = eps·var_inv²·Σ draw·raw"
TOKENS = Case(wrong(Embedding, kept)(5, 3), (), integers=((12, 1), 5))
MISSED: list[tuple[str, Rule | Case]] = [
    ("Σ x·dx = Σ W·dW", wrong(Linear, scaled("x0"))(4, 3)),
    ("Σ x·dx = Σ W·dW", wrong(Linear, scaled("W"))(4, 3)),
    ("db = Σ dy over the rows", wrong(Linear, first_row)(4, 3)),
    ("Σ W·dW + Σ b·db = Σ y·dy", wrong(Linear, scaled("W"))(4, 3)),
    ("Σ W·dW + Σ b·db = Σ y·dy", wrong(Linear, scaled("W"))(4, 3, bias=False)),
    ("Σ W·dW + Σ b·db = Σ y·dy", wrong(Linear, scaled("b"))(4, 3)),
    ("Σ C·dC = Σ y·dy", TOKENS),
    ("Σ dC over the tokens = Σ dy over the rows", TOKENS),
    ("Σ x·dx = Σ y·dy", wrong(FlattenConsecutive, rolled)(3)),
    ("Σ x·dx = Σ y·dy", wrong(Identity, scaled("x0"))()),
    ("Σ x·dx = Σ y·dy", wrong(ReLU, shifted)()),
    ("Σ x·dx = Σ y·dy", wrong(LeakyReLU, pushed)()),
    ("φ′(0) = 1", wrong(Tanh, scaled("x0"))()),
    ("φ′(x) = φ′(−x)", wrong(Tanh, shifted)()),
    ("φ′(0) = 0.25", wrong(Sigmoid, scaled("x0"))()),
    ("φ′(x) = φ′(−x)", wrong(Sigmoid, shifted)()),
    ("φ′(0) = 0.5", wrong(GELU, scaled("x0"))()),
    ("φ′(x) + φ′(−x) = 1", wrong(GELU, shifted)()),
    ("dx = dy", Case(wrong(Residual, skip_scaled)(), (ROW, ROW))),
    ("dbranch = dy", Case(wrong(Residual, branch_scaled)(), (ROW, ROW))),
    (DX_DIFF, wrong(BatchNorm, along_raw)(4)),
    (DX_DIFF, wrong(LayerNorm, along_raw)(4)),
    (DX_DIFF, wrong(RMSNorm, along_raw)(4)),
    ("Σ dx = 0", wrong(BatchNorm, pushed)(4)),
    ("Σ dx = 0", wrong(LayerNorm, pushed)(4)),
    ("dγ = Σ dy·raw", wrong(BatchNorm, unweighted)(4)),
    ("dγ = Σ dy·raw", wrong(LayerNorm, unweighted)(4)),
    ("dγ = Σ dy·raw", wrong(RMSNorm, unweighted)(4)),
    ("dβ = Σ dy", wrong(BatchNorm, scaled("bias"))(4)),
    ("dβ = Σ dy", wrong(LayerNorm, scaled("bias"))(4)),
    (
        "Σ dlogits over the classes = 0",
        Case(wrong(CrossEntropy, probabilities)(), integers=((6,), 4)),
    ),
    (
        "dlogits at the target = (p − 1)·dy/N",
        Case(wrong(CrossEntropy, summed)(), integers=((6,), 4)),
    ),
    (
        "Σ (x − target)·dx = 2 loss·dy",
        Case(wrong(MeanSquaredError, scaled("x0", 0.5))(), (ROW, ROW), fixed=1),
    ),
]


def label(value: object) -> str:
    rule = value.rule if isinstance(value, Case) else value
    return rule if isinstance(rule, str) else type(rule).__name__


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("identity", "rule"), MISSED, ids=label)
def test_a_wrong_delta_violates_its_identity(identity: str, rule: Rule | Case, fused: bool) -> None:
    found = identities(point_of(rule), fused=fused)
    assert not found[identity] < TOLERANCE
    assert not found[identity] < 1e-3  # by far


def test_every_identity_is_violated_by_one_of_them() -> None:
    named = {key for case in CASES.values() for key in identities(point_of(case), fused=False)}
    assert named == {identity for identity, _ in MISSED}


def test_what_the_right_rule_forgets_is_told_apart() -> None:
    """The first term alone of BatchNorm's delta: sums to something, and lies along raw."""

    class Direct(BatchNorm):
        def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> Any:
            _, deltas = super().backward(params, saved, dy)
            return dy * params["gain"] * saved["var_inv"], deltas

    found = identities(point_of(Direct(4)), fused=False)
    violated = {name for name, value in found.items() if not value < TOLERANCE}
    assert violated == {DX_DIFF, "Σ dx = 0"}


class OnlyFused(LayerNorm):
    """Wrong in the closed form."""

    def backward_fused(self, params: Tensors, saved: Tensors, dy: Tensor) -> Any:
        dx, deltas = super().backward_fused(params, saved, dy)
        return dx + 0.1, deltas


def test_the_form_asked_for_is_the_one_looked_at() -> None:
    point = point_of(OnlyFused(4))
    assert max(identities(point, fused=False).values()) < TOLERANCE
    assert identities(point, fused=True)["Σ dx = 0"] > TOLERANCE


class SteepFused(Tanh):
    """Its slope is wrong in the closed form."""

    def backward_fused(self, params: Tensors, saved: Tensors, dy: Tensor) -> Any:
        dx, deltas = self.backward(params, saved, dy)
        return dx * 1.01, deltas


def test_a_slope_is_that_of_the_form_asked_for() -> None:
    point = point_of(SteepFused())
    assert identities(point, fused=False)["φ′(0) = 1"] < TOLERANCE
    assert identities(point, fused=True)["φ′(0) = 1"] > TOLERANCE


# --- wrong deltas of another kind: nothing, not a number, another shape ---------------------------


def nothing(p: Pulled) -> tuple[Any, Tensors]:
    return p.dx * 0, {name: delta * 0 for name, delta in p.deltas.items()}


def not_a_number(p: Pulled) -> tuple[Any, Tensors]:
    return p.dx * torch.nan, {name: delta * torch.nan for name, delta in p.deltas.items()}


def one_row(p: Pulled) -> tuple[Any, Tensors]:
    return p.dx[:1], p.deltas


def with_rule(case: Case, change: Change) -> Case:
    kind = wrong(type(case.rule), change)
    return replace(case, rule=kind(**vars(case.rule)))


SINGLE = sorted(set(filter(has_identities, CASES)) - {"embedding", "residual"})


@pytest.mark.parametrize("change", [nothing, not_a_number, one_row])
@pytest.mark.parametrize("name", SINGLE)
def test_a_useless_delta_violates_an_identity(name: str, change: Change) -> None:
    """And is told, not crashed on."""
    found = identities(point_of(with_rule(CASES[name], change)), fused=False)
    assert any(not value < TOLERANCE for value in found.values())


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("rule", [LayerNorm(1), RMSNorm(1), BatchNorm(1)], ids=label)
def test_a_norm_of_one_feature_has_identities(rule: Rule, fused: bool) -> None:
    """LayerNorm's delta is zero then, and so are both sides."""
    point = point_of(Case(rule, ((6, 1),)))
    assert max(identities(point, fused=fused).values()) < TOLERANCE


# --- the running statistics ----------------------------------------------------------------------

X = 2 * torch.randn(6, 4, generator=Generator().manual_seed(1), dtype=torch.float64) + 3
STATISTICS = ["var", "std"]


@pytest.mark.parametrize("lead", [(), (2, 3)], ids=str)
@pytest.mark.parametrize("momentum", [0.001, 0.1, 0.9, 1.0])
@pytest.mark.parametrize("running_bessel", [False, True])
@pytest.mark.parametrize("bessel", [False, True])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_right_running_statistics_are_within_rounding(
    statistic: Any, bessel: bool, running_bessel: bool, momentum: float, lead: Shape
) -> None:
    rule = BatchNorm(4, 1e-5, momentum, bessel, running_bessel, statistic)
    found = running_identities(rule, X.expand(*lead, 6, 4))
    assert list(found) == [
        "running_mean = momentum·mean",
        f"running_{statistic} = 1 + momentum·(batch − 1)",
    ]
    assert max(found.values()) < TOLERANCE


class Stale(BatchNorm):
    """Never updates."""

    def running(self, buffers: Tensors, saved: Tensors) -> Tensors:
        return buffers


class Swapped(BatchNorm):
    """The momentum on the wrong side."""

    def running(self, buffers: Tensors, saved: Tensors) -> Tensors:
        other = BatchNorm(self.features, self.eps, 1 - self.momentum, self.bessel)
        return other.running(buffers, saved)


class Biased(BatchNorm):
    """n in place of n − 1: the smallest mistake there is."""

    def running(self, buffers: Tensors, saved: Tensors) -> Tensors:
        return replace(BatchNorm(**vars(self)), running_bessel=False).running(buffers, saved)


@dataclass(frozen=True)
class MeanOnly(BatchNorm):
    """Forgets the spread."""

    def running(self, buffers: Tensors, saved: Tensors) -> Tensors:
        return buffers | {"running_mean": super().running(buffers, saved)["running_mean"]}


MEAN, VAR = "running_mean = momentum·mean", "running_var = 1 + momentum·(batch − 1)"


@pytest.mark.parametrize(
    ("rule", "violated"),
    [(Stale, {MEAN, VAR}), (Swapped, {MEAN, VAR}), (Biased, {VAR}), (MeanOnly, {VAR})],
)
def test_wrong_running_statistics_violate_theirs(rule: type[BatchNorm], violated: set[str]) -> None:
    found = running_identities(rule(4), X)
    assert {name for name, value in found.items() if not value < TOLERANCE} == violated
    assert all(found[name] > 1e-3 for name in violated)


def test_running_statistics_of_the_wrong_shape_violate_theirs() -> None:
    class Flat(BatchNorm):
        def running(self, buffers: Tensors, saved: Tensors) -> Tensors:
            after = super().running(buffers, saved)
            return {name: tensor.squeeze(0) for name, tensor in after.items()}

    assert set(running_identities(Flat(4), X).values()) == {float("inf")}
