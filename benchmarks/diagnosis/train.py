"""Cases are trained as the product trains: in stacks, by its step, looked at by its probes.

`ninja.loop` writes each run to disk and lets those that diverge leave their stack. Here nothing is
written, a run that diverged stays where it is, and what it did afterwards is not recorded.
"""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from benchmarks.diagnosis.cases import Edit, Trained
from benchmarks.diagnosis.extras import Extras, similarity
from ninja import evaluate
from ninja.agreement import WRONG
from ninja.data import Dataset
from ninja.evaluate import Splits
from ninja.loop import _bad_parameter, _first_bad
from ninja.mutants import MUTANTS, planted
from ninja.probes import copied, due
from ninja.records import Place
from ninja.rows import Sight
from ninja.train import Step, Training, begin_together, buffers_of, exact_gap, params_of, train_step


@dataclass
class Stack:
    """What is known of runs that were trained together, as plain data.

    Attributes:
        keys: of the runs, `Trained.key`.
        places: where the numbers of the rows' lists belong.
        rows: of each run.
        history: of each run, its loss at every step.
        accuracy: of each run, its batch's accuracy at every step.
        losses: of each run, in the end; empty of one that diverged.
        diverged: of each run, where the first number was none; none of one that did not.
    """

    keys: list[str]
    places: dict[str, Sequence[Place]] = field(default_factory=dict)
    rows: list[list[dict[str, Any]]] = field(default_factory=list)
    history: list[list[float]] = field(default_factory=list)
    accuracy: list[list[float]] = field(default_factory=list)
    losses: list[dict[str, float]] = field(default_factory=list)
    diverged: list[dict[str, Any] | None] = field(default_factory=list)


def train(runs: Sequence[Trained], dataset: Dataset, splits: Splits) -> Stack:
    """Train runs of one shape and one mutant, and keep what the product would have recorded."""
    stack = Stack([one.key for one in runs])
    with ExitStack() as wrong:
        if runs[0].mutant:
            wrong.enter_context(planted(next(m for m in MUTANTS if m.name == runs[0].mutant)))
        run = begin_together([one.config for one in runs], dataset)
        for replica, one in enumerate(runs):
            for edit in one.edits:
                _apply(edit, run, replica)
        _steps(run, stack)
    for replica, where in enumerate(stack.diverged):
        losses: dict[str, float] = {}
        if where is None:
            params, buffers = params_of(run, replica), buffers_of(run, replica)
            losses = asdict(
                evaluate.losses(run.net, params, buffers, splits, run.config.norm.calibrate)
            )
            losses["similarity"] = similarity(run.net, params, buffers, dataset)
            if not math.isfinite(losses["train"]):
                where = {"step": run.step - 1, "node": "evaluation", "tensor": "loss"}
                losses, stack.diverged[replica] = {}, where
        stack.losses.append(losses)
    return stack


def _apply(edit: Edit, run: Training, replica: int) -> None:
    tensor = params_of(run, replica).get(edit.node, {}).get(edit.tensor)
    if tensor is None:  # a fix has taken away what the fault was in
        return
    match edit.what:
        case "scale":
            tensor.mul_(edit.value)
        case "shift":
            tensor.add_(edit.value)
        case "fill":
            tensor.fill_(edit.value)


def _steps(run: Training, stack: Stack) -> None:
    count = len(run.configs)
    stack.rows = [[] for _ in range(count)]
    stack.history = [[] for _ in range(count)]
    stack.accuracy = [[] for _ in range(count)]
    stack.diverged = [None] * count
    sight, extras = Sight(run), Extras(run)
    while run.step < run.config.steps and None in stack.diverged:
        owed = due(run.config.probe, run.step)
        before = copied(run.params) if owed.any else {}
        step = train_step(run, owed)
        losses = step.trace.loss.reshape(-1).tolist()
        live = [r for r in range(count) if stack.diverged[r] is None]
        accuracy = _accuracy(run, step)
        for r in live:
            stack.history[r].append(losses[r])
            stack.accuracy[r].append(accuracy[r])
            if not math.isfinite(losses[r]):
                stack.diverged[r] = _first_bad(step, r)
                if not owed.any:
                    row = {"step": step.number, "lr": _rate(step, r), "loss": losses[r]}
                    stack.rows[r].append(row)
        if owed.any:
            sight.see(step, owed)
            beside = extras(step, before)
            (rows,) = sight.rows()
            for r in live:
                row = rows[r] | {"extras": beside[r]}
                if owed.compare and math.isfinite(losses[r]) and not row["gap"] <= WRONG:
                    row["gap_float64"] = exact_gap(run, r)  # as `ninja.loop` does
                stack.rows[r].append(row)
    stack.places = {key: sight.places(key) for key in sight.cells} | {"extras": extras.places}
    for r in range(count):
        if stack.diverged[r] is None:
            stack.diverged[r] = _bad_parameter(run, r)


def _rate(step: Step, replica: int) -> float:
    return step.lr[replica].item() if isinstance(step.lr, torch.Tensor) else step.lr


def _accuracy(run: Training, step: Step) -> list[float]:
    """Share of the batch whose target has the largest logit."""
    *_, last = run.net.nodes
    logits = step.trace.saved[last.inputs[0]]["y"]
    targets = step.trace.saved[last.name]["index"]
    hit = logits.argmax(-1).reshape(len(run.configs), -1) == targets.reshape(len(run.configs), -1)
    return hit.float().mean(-1).tolist()
