"""Try every check on every mutant."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Generator

from ninja.agreement import WRONG, compare, gap
from ninja.cases import Case, cases
from ninja.config import InitConfig, ModelConfig, NetworkConfig, NormConfig
from ninja.engines import Autograd, Manual
from ninja.errors import ShapeError
from ninja.gradcheck import check_form
from ninja.identities import TOLERANCE, identities, running_identities
from ninja.init import Generators
from ninja.mutants.catalogue import MUTANTS, Mutant
from ninja.mutants.plant import owner, planted
from ninja.net import Net, draw
from ninja.networks import build
from ninja.replicas import stack
from ninja.rules import BatchNorm, LayerNorm, RMSNorm, Rule, activations, intermediates
from ninja.types import Batch, Shape

CHECKS = ("shape", "exact row", "gap", "gradcheck", "identity")
"""The shape of a delta; a row against autograd, bit for bit, or closely for a closed form; the
network's gap; differences; identities."""

VOCABULARY, REPLICAS = 27, 8


@dataclass(frozen=True)
class Outcome:
    """What noticed a mutant.

    Attributes:
        mutant: the one that was tried.
        caught_by: the checks that failed, in the order of `CHECKS`.
        gap: the largest gap of either engine by hand in float64; not a number if none could run.
    """

    mutant: Mutant
    caught_by: tuple[str, ...]
    gap: float

    @property
    def accounted_for(self) -> bool:
        """Caught; or declared equivalent and, but for rounding, found so."""
        if self.mutant.equivalent:
            return set(self.caught_by) <= {"exact row"} and self.gap < 1e-12
        return bool(self.caught_by)


def try_all() -> Iterator[Outcome]:
    """One outcome after the other, over the whole catalogue."""
    return map(try_mutant, MUTANTS)


def try_mutant(mutant: Mutant) -> Outcome:
    """Plant it, run every check on everything that uses its target, and take it out again."""
    affected = _affected(mutant)
    with planted(mutant):
        caught, largest = run_checks(affected)
    return Outcome(mutant, tuple(check for check in CHECKS if check in caught), largest)


def run_checks(affected: tuple[type, ...]) -> tuple[set[str], float]:
    """The checks that fail now, on every case and network with one of these rules.

    An empty tuple stands for an engine: every network is checked, and no single rule.
    """
    caught: set[str] = set()
    largest = float("nan")
    for case in cases().values():
        if isinstance(case.rule, affected):
            caught |= _case_checks(case)
    for net in _networks():
        if not affected or any(isinstance(node.rule, affected) for node in net.nodes):
            failed, apart = _network_checks(net)
            caught |= failed
            largest = max(apart, largest)  # in this order, a number wins over none
    return caught, largest


def _affected(mutant: Mutant) -> tuple[type, ...]:
    cls, name = owner(mutant)
    if cls is Manual:
        return ()
    if cls is not None:
        return (cls,)
    return (BatchNorm, LayerNorm, RMSNorm) if name == "affine_backward" else (BatchNorm, LayerNorm)


def _networks() -> list[Net]:
    """Small networks that together have every rule but the mean-squared error."""
    noisy = InitConfig(bias_std=0.1, norm_std=0.1)
    small = NetworkConfig(model=ModelConfig(n_hidden=24, n_layers=3), init=noisy)
    configs = [
        replace(small, norm=NormConfig(name=name), model=replace(small.model, residual=residual))
        for name in ("batchnorm", "layernorm", "rmsnorm", "none")
        for residual in (False, True)
    ]
    configs += [
        replace(small, model=replace(small.model, activation=name)) for name in activations()
    ]
    return [build(config, VOCABULARY) for config in configs]


def _network_checks(net: Net) -> tuple[set[str], float]:
    """Shapes, rows and gap of both engines by hand, on one batch; a stack of as many rows.

    As many rows as replicas: what sums over the wrong one of the two still fits.
    """
    caught: set[str] = set()
    largest = float("nan")
    seeds = [Generators.of(seed) for seed in range(1, REPLICAS + 1)]
    params = stack([draw(net, generators, torch.float64) for generators in seeds])
    shape = (REPLICAS, REPLICAS)
    tokens = torch.randint(0, VOCABULARY, (*shape, 3), generator=seeds[0].run)
    targets = torch.randint(0, VOCABULARY, shape, generator=seeds[0].run)
    trace = net.forward(params, Batch(tokens, targets), graph=True)
    reference = Autograd()(net, trace).deltas
    for engine in (Manual(fused=False), Manual(fused=True)):
        try:
            deltas = engine(net, trace).deltas
            apart = gap(deltas, reference, trace.bound, trace.loss.dim()).max().item()
        except (RuntimeError, ShapeError):  # what torch says of tensors that do not fit
            caught.add("shape")
            continue
        largest = max(apart, largest)
        if not apart <= WRONG:
            caught.add("gap")
    return caught, largest


def _case_checks(case: Case) -> set[str]:
    """The checks of a single rule, step by step and in closed form, alone and in a stack."""
    return {
        check
        for lead in ((), (2,))
        for fused in (False, True)
        for check in _form(case, lead, fused)
    }


def _form(case: Case, lead: Shape, fused: bool) -> set[str]:
    caught: set[str] = set()
    try:
        caught |= _rows(case, lead, fused=fused)
        point = case.draw(Generator().manual_seed(2), lead)
        found = identities(point, fused=fused)
        if isinstance(case.rule, BatchNorm):
            std = replace(case.rule, running_statistic="std")
            x = point.inputs["x0"]
            found |= running_identities(case.rule, x) | running_identities(std, x)
        if not all(value <= TOLERANCE for value in found.values()):
            caught.add("identity")
    except (RuntimeError, ShapeError):
        caught.add("shape")
    if lead:  # element by element: on the stack alone, which has all of a single run's mistakes
        try:
            if not check_form("", case, 3, lead, fused=fused).passed:
                caught.add("gradcheck")
        except (RuntimeError, ShapeError):
            caught.add("shape")
    return caught


def _rows(case: Case, lead: Shape, *, fused: bool) -> set[str]:
    """The rule's deltas against autograd's over the same forward, also where maxima tie.

    Step by step bit for bit in float32; a closed form closely, which float32 is too coarse to tell.
    """
    caught: set[str] = set()
    for coarse in (False, True):
        dtype = torch.float64 if fused else torch.float32
        point = case.draw(Generator().manual_seed(4), lead, dtype)
        if coarse:
            point = replace(point, inputs={k: (x * 2).round() / 2 for k, x in point.inputs.items()})
        free = {name: tensor.requires_grad_() for name, tensor in point.free.items()}
        saved = point.forward(free)
        tensors = free | {key: t for key, t in intermediates(saved) if key != "y"}
        reference = torch.autograd.grad(
            saved["y"], list(tensors.values()), point.dy, materialize_grads=True
        )
        with torch.no_grad():
            deltas = point.pull_back(free, point.dy, fused=fused)
        for (name, tensor), expected in zip(tensors.items(), reference, strict=True):
            if name not in deltas:
                continue
            if deltas[name].shape != tensor.shape:
                caught.add("shape")
                continue
            row = compare(name, tensor, deltas[name], expected)
            if not (row.approx if fused else row.exact):
                caught.add("exact row")
    return caught


def rules_without_mutants() -> set[type[Rule]]:
    """The rules of the cases that no mutant touches: nothing but the identity should be left."""
    touched = tuple({cls for mutant in MUTANTS for cls in _affected(mutant)})
    return {type(case.rule) for case in cases().values() if not isinstance(case.rule, touched)}
