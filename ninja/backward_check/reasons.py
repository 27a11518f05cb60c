"""Why a gradient is wrong: the place, the size, and the mistake where the numbers show it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from ninja.backward_check.analytical import Backward, pull_back
from ninja.backward_check.hints import hint
from ninja.backward_check.numerical import Comparison, Values, compare, objective
from ninja.backward_check.problem import Problem


@dataclass(frozen=True)
class Looked:
    """All that was measured of a problem.

    Attributes:
        problem: which.
        deltas: of each output.
        live: which outputs take part: those that carry a gradient, or all where none does.
        backward: what was pulled back.
        comparisons: of each tensor with the numerical gradient.
        outputs: names of the outputs.
        torch_agrees: what `torch.autograd.gradcheck` says; none where it was not asked.
        complaint: what it says then.
    """

    problem: Problem
    deltas: list[Tensor]
    live: tuple[bool, ...]
    backward: Backward
    comparisons: list[Comparison]
    outputs: list[str]
    torch_agrees: bool | None
    complaint: str


def why(looked: Looked, which: int) -> str:
    """What is wrong with one gradient."""
    found, shape = looked.comparisons[which], tuple(looked.problem.points[which].shape)
    if not any(looked.backward.live):
        return "is lost: no output carries one (detach, .data, numpy or no_grad in the forward)"
    if looked.backward.gradients[which] is None:
        return f"is None, {_example(found, shape)}"
    if not found.wrong.any():
        return (
            "is right at the elements looked at, and wrong at others: sums along random directions "
            "differ; give a larger elements="
        )
    analytical = np.where(found.kinks, found.numerical, found.analytical)
    whole = len(found.index) == looked.problem.points[which].numel()
    form = shape if whole else (-1,)
    twice = pull_back(looked.problem, [2 * delta for delta in looked.deltas]).gradients[which]
    doubled = None if twice is None else _at(twice, found).reshape(form)
    sizes = _sizes(looked)
    said = hint(analytical.reshape(form), found.numerical.reshape(form), doubled, sizes)
    through = _through(looked, which)
    return f"{said or 'differs'}{through} ({_example(found, shape)})"


def _at(gradient: Tensor, found: Comparison) -> Values:
    return gradient.detach().flatten().cpu().numpy().astype(np.float64)[found.index]


def _example(found: Comparison, shape: tuple[int, ...]) -> str:
    worst = found.worst
    where = tuple(int(i) for i in np.unravel_index(int(found.index[worst]), shape)) if shape else ()
    given, expected = found.analytical[worst], found.numerical[worst]
    return f"at {where} it is {given:.6g}, and numerically {expected:.6g}"


def _sizes(looked: Looked) -> dict[int, str]:
    """Numbers that a mean may have been taken over."""
    outputs = dict(zip(looked.outputs, looked.deltas, strict=True))
    tensors = [*zip(looked.problem.names, looked.problem.points, strict=True), *outputs.items()]
    sizes: dict[int, str] = {}
    for name, tensor in tensors:
        for dim, size in enumerate(tensor.shape):
            sizes.setdefault(size, f"{name}.shape[{dim}]")
    for name, tensor in tensors:
        sizes.setdefault(tensor.numel(), f"the number of elements of {name}")
    return sizes


def _through(looked: Looked, which: int) -> str:
    """Of several outputs, those through which the gradient is wrong."""
    if sum(looked.live) < 2:
        return ""
    wrong: list[str] = []
    for k, name in enumerate(looked.outputs):
        if not looked.live[k]:
            continue
        alone = [d if i == k else torch.zeros_like(d) for i, d in enumerate(looked.deltas)]
        gradient = pull_back(looked.problem, alone).gradients[which]
        total = objective(looked.problem, alone, looked.live)
        points, limit = looked.problem.points, len(looked.comparisons[which].index)
        size, seeded = total.size(which), Generator().manual_seed(0)
        if not compare(total, points, which, gradient, seeded, limit, size).passed:
            wrong.append(name)
    return f" through {', '.join(wrong)}" if 0 < len(wrong) < sum(looked.live) else ""
