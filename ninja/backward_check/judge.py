"""From measurements to rows and a verdict."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ninja import agreement
from ninja.backward_check.hints import refusal
from ninja.backward_check.problem import Problem
from ninja.backward_check.reasons import Looked, why
from ninja.backward_check.result import BackwardCheck, Row


def failed(problem: Problem, failure: str) -> BackwardCheck:
    """A backward that raises, or returns what autograd refuses."""
    rows = tuple(
        Row(name, kind, tuple(point.shape), "wrong", reason="no gradient")
        for name, kind, point in zip(problem.names, problem.kinds, problem.points, strict=True)
    )
    culprit, said = refusal(failure, problem.arguments)
    reason = f"the backward fails: {failure}{said}"
    first = culprit if culprit is not None else problem.names[0]
    return BackwardCheck(False, reason, (*rows, *problem.skipped), first_wrong=first)


def judged(looked: Looked) -> BackwardCheck:
    """From measurements to rows and a verdict."""
    rows = tuple(_row(looked, i) for i in range(len(looked.comparisons)))
    gap, faults = _gap(looked), looked.backward.faults
    first, fault = _fault(rows, looked)
    right = f"right: {_tensors(len(rows))} with central differences, gap {gap or 0:.1e}"
    notes = _notes(looked, rows) + [one.said for one in faults if one.said != fault]
    return BackwardCheck(
        not fault,
        fault or right,
        (*rows, *looked.problem.skipped),
        gap,
        looked.torch_agrees,
        first,
        notes=tuple(notes),
    )


def _fault(rows: Sequence[Row], looked: Looked) -> tuple[str | None, str]:
    """The first wrong tensor, and what is wrong; nothing where nothing is."""
    faults = sorted(looked.backward.faults, key=lambda fault: fault.tensor is not None)
    wrong = [row for row in rows if row.status == "wrong"]
    if faults and (faults[0].tensor is None or not wrong):
        named = [row.name for row in wrong] or [faults[0].tensor]
        return named[0], faults[0].said
    if wrong:
        return wrong[0].name, f"{wrong[0].name}: the gradient {wrong[0].reason}"
    drowned = [row for row in rows if row.status == "drowned"]
    if drowned:
        return None, f"{drowned[0].name}: the gradient cannot be judged: {drowned[0].reason}"
    if all(row.status == "kinks" for row in rows):
        said = "nothing could be checked: fn has no derivative at any element, give other inputs"
        return None, said
    if looked.torch_agrees is False:
        return None, f"torch.autograd.gradcheck: {looked.complaint}"
    return None, ""


def _notes(looked: Looked, rows: Sequence[Row]) -> list[str]:
    kinks = [f"{row.kinks} of {row.checked + row.kinks} of {row.name}" for row in rows if row.kinks]
    outputs = zip(looked.outputs, looked.live, strict=True)
    return [f"not differentiable here, and left out: {one}" for one in kinks] + [
        f"{name} carries no gradient and takes no part" for name, carries in outputs if not carries
    ]


def is_drowned(check: BackwardCheck) -> bool:
    """Whether it is neither right nor wrong: rounding hides what it is."""
    return check.first_wrong is None and any(row.status == "drowned" for row in check.rows)


def _tensors(count: int) -> str:
    return "1 tensor agrees" if count == 1 else f"{count} tensors agree"


def _row(looked: Looked, which: int) -> Row:
    problem, found = looked.problem, looked.comparisons[which]
    kinks = int(found.kinks.sum())
    at = ~found.kinks
    off = np.abs(found.analytical - found.numerical)[at]
    status, reason = "right", ""
    if not found.passed:
        status, reason = "wrong", why(looked, which)
    elif kinks == len(found.index):
        status = "kinks"
    elif found.drowned:
        status = "drowned"
        reason = (
            f"rounding would drown it: differences come within {off.max():.1e} of a gradient of "
            f"{np.abs(found.analytical[at]).max():.1e}, beside outputs that are far larger"
        )
    return Row(
        problem.names[which],
        problem.kinds[which],
        tuple(problem.points[which].shape),
        status,
        checked=len(found.index) - kinks,
        kinks=kinks,
        max_error=float(off.max(initial=0.0)),
        size=float(np.abs(found.numerical[at]).max(initial=0.0)),
        reason=reason,
    )


def _gap(looked: Looked) -> float | None:
    """Over all elements compared, as one network's."""
    given: dict[str, Tensor] = {}
    correct: dict[str, Tensor] = {}
    for i, found in enumerate(looked.comparisons):
        given[str(i)] = torch.as_tensor(found.analytical[~found.kinks])
        correct[str(i)] = torch.as_tensor(found.numerical[~found.kinks])
    if not any(one.numel() for one in correct.values()):
        return None
    return agreement.gap({"fn": given}, {"fn": correct}, {"fn": correct}).item()
