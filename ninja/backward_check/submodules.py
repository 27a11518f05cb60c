"""The calls that a module makes of its submodules, so that each can be checked alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ninja.backward_check.problem import Problem
from ninja.backward_check.trees import mapped


@dataclass(frozen=True)
class Call:
    """One call of a submodule.

    Attributes:
        path: of the submodule, as `named_modules` has it.
        module: the submodule.
        inputs: what it was given, by the names of its arguments where it has several; detached.
    """

    path: str
    module: nn.Module
    inputs: Sequence[Any]


def calls(module: nn.Module, problem: Problem) -> list[Call]:
    """Every call with positional arguments alone, in the order of the backward: inner before outer.

    A submodule is entered after the one that holds it, so that the order of entering, reversed,
    looks at the parts before the whole, and at the last part first.
    """
    found: list[Call] = []

    def note(path: str) -> Any:
        def hook(called: nn.Module, args: tuple[Any, ...]) -> None:
            found.append(Call(path, called, [mapped("", one, _detached) for one in args]))

        return hook

    handles = [
        inner.register_forward_pre_hook(note(path))
        for path, inner in module.named_modules()
        if path
    ]
    try:
        problem.call([point.clone().requires_grad_() for point in problem.points])
    finally:
        for handle in handles:
            handle.remove()
    return found[::-1]


def _detached(_: str, tensor: Tensor) -> Tensor:
    """A copy that asks for a gradient where the original did."""
    copy = tensor.detach().clone()
    wanted = tensor.requires_grad and tensor.dtype == torch.float64
    return copy.requires_grad_(wanted)
