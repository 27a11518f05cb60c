"""`ninja.preflight`: looks at a model before its first step, and puts everything back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ninja import diagnosis
from ninja.diagnosis import About, Finding
from ninja.observe import checks
from ninja.observe.broken import blamed, broken
from ninja.observe.calls import Look
from ninja.observe.chain import links
from ninja.observe.classes import classes_of
from ninja.observe.closely import Closely
from ninja.observe.feed import LossFn, pulled
from ninja.observe.gather import reached
from ninja.observe.hooks import Hooks
from ninja.observe.measure import Measure
from ninja.observe.modules import Modules, compiled, unwrapped
from ninja.observe.nodes import Nodes
from ninja.observe.record import Story
from ninja.observe.stack import Hidden, alike, measured, predicted
from ninja.observe.untouched import untouched
from ninja.observe.updates import Updates
from ninja.theory import depth_scale

PASSES = 3
"""Forwards and backwards, of a model that draws random numbers; of any other, one is as good."""


@dataclass(frozen=True)
class Preflight:
    """What was seen of a model before its first step.

    Attributes:
        loss: of the batch.
        layers: the hidden ones, in depth order.
        findings: what is wrong, causes first.
        verdict: in words.
        chi: χ₁, the factor of |δ|² from a layer to the one below, predicted by theory: the
            geometric mean of the layers'; none where theory does not apply.
        depth_scale: ξ = −1/ln χ₁, in layers; negative where gradients grow, 0 where none
            passes.
        theory: why it does not apply; empty where it does.
        rows: in the form of `ninja.records.rows`.
    """

    loss: float
    layers: tuple[Hidden, ...]
    findings: tuple[Finding, ...]
    verdict: str
    chi: float | None
    depth_scale: float | None
    theory: str
    rows: tuple[dict[str, Any], ...]

    @property
    def gains(self) -> dict[str, float]:
        """The suggested gain of each layer that has one: of N(0, gain²/fan_in) weights."""
        return {of.name: of.suggested for of in self.layers if of.name and of.suggested is not None}

    def report(self) -> None:
        """Print the profile against depth, the prediction, the verdict and the findings."""
        from ninja import streams

        with streams.console() as console:
            from ninja.observe.report import flight

            flight(console, self)


def preflight(
    model: nn.Module, batch: Any, loss_fn: LossFn, *, classes: int | None = None
) -> Preflight:
    """Look at a model before its first step; it and all generators come out as they went in.

    ::

        ninja.preflight(model, next(iter(loader)), torch.nn.functional.cross_entropy).report()

    A model in evaluation mode is put into training mode for the while. A loss function that is a
    module comes out as it went in, too.

    Args:
        model: that is to be trained.
        batch: as a loader gives it. Of a tuple or list, the last is what ``loss_fn`` is given
            beside the output, and the others are the model's arguments; a mapping is the model's
            keyword arguments, and ``loss_fn`` is given it whole; so it is of anything else.
        loss_fn: of the output and the above, a single number.
        classes: of a cross-entropy; found out where `torch.nn.functional.cross_entropy` makes the
            loss.

    Raises:
        TypeError, ValueError: an argument cannot be used; the line names it. What the model or the
            loss function raises is theirs.
        RuntimeError: it was called in inference mode.
    """
    checks.model(model)
    if torch.is_inference_mode_enabled():
        raise RuntimeError(
            "preflight: within torch.inference_mode() nothing has a gradient, call it outside"
        )
    if not callable(loss_fn):
        raise TypeError(f"loss_fn: {checks.said(loss_fn)}, give a function of output and targets")
    told = checks.classes(classes)
    plain = unwrapped(model)
    checks.shaped(plain)
    with untouched(model, loss_fn):
        if not model.training:
            model.train()
        flight = _Flight(plain, blind=any(compiled(model)))
        loss = flight.look(model, batch, loss_fn)
        told = told or classes_of(loss)
        for _ in range(PASSES - 1):
            if not flight.drew:
                break
            flight.look(model, batch, loss_fn)
        return flight.landed(loss.item(), told, batch)


class _Flight:
    """The looks at one model."""

    def __init__(self, model: nn.Module, *, blind: bool) -> None:
        self._model, self._blind = model, blind
        self._modules, self._nodes = Modules(model), Nodes()
        self._modules.read()
        self._hooks = Hooks(self._modules, self._nodes)
        self._updates = Updates(self._modules, ())
        self._updates.read()
        self._measure = Measure(self._modules, self._nodes)
        self._story = Story(self._modules, self._nodes)
        self._look = Look(None, self._updates.note)
        self.drew = False

    def look(self, model: nn.Module, batch: Any, loss_fn: LossFn) -> torch.Tensor:
        """One forward and backward; the loss."""
        for p in model.parameters():
            p.grad = None
        before = torch.get_rng_state()
        updates, look = self._updates, Look(Closely(), self._updates.note)
        self._look = look
        updates.arm(close=True, moves=False)
        if not self._blind:
            self._hooks.arm(look)
        try:
            loss = pulled(model, batch, loss_fn)
        finally:
            self._hooks.disarm()
        for group in updates.groups:
            if not group.noted:  # no output has told that the backward pass had ended
                group.note()
        seen = updates.seen(self._story.steps)
        self._measure.take(look, updates.groups, seen)
        updates.disarm()
        self._story.see(seen)
        self._story.step(loss.detach())
        self.drew = not torch.equal(before, torch.get_rng_state())
        return loss

    def landed(self, loss: float, classes: int | None, batch: Any) -> Preflight:
        """What was seen."""
        rows = list(self._story.rows())
        history = diagnosis.read(alike(self._model, row) for row in rows)
        # of a loss that is no number it is not to be said that it is far above ln C
        about = About(classes=classes if math.isfinite(rows[0]["loss"]) else None)
        findings = diagnosis.diagnose(history, about)
        diverged = any(of.kind == "diverged" for of in findings)
        cause = broken(self._model, batch) if diverged else None
        findings = findings if cause is None else blamed(findings, cause)
        unknown = diagnosis.unknown(diagnosis.gather(history))
        layers, why = self._hidden(rows[0].get("layers", ()))
        why = cause.reason if why and cause is not None else why
        chi = _mean([of.chi for of in layers if of.chi is not None])
        return Preflight(
            loss,
            tuple(layers),
            tuple(findings),
            diagnosis.verdict(findings, ["layers"] if "layers" in unknown else []),
            chi,
            None if chi is None else depth_scale(chi),
            why,
            tuple(rows),
        )

    def _hidden(self, layers: Sequence[Any]) -> tuple[list[Hidden], str]:
        """The hidden layers, and why nothing is predicted of them, if nothing is."""
        found = measured(self._model, layers)
        if self._blind:
            return found, "the model is compiled, and its layers are not seen"
        linked = links(reached(self._look))
        if isinstance(linked, str):
            return found, linked
        told = predicted(found, linked)
        return (found, told) if isinstance(told, str) else (told, "")


def _mean(factors: Sequence[float]) -> float | None:
    """The geometric mean."""
    if not factors:
        return None
    if min(factors) == 0:
        return 0.0
    return math.exp(sum(map(math.log, factors)) / len(factors))
