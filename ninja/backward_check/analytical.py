"""What a backward returns, before and after autograd has put it right."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ninja.backward_check.arguments import argument_names, first_line
from ninja.backward_check.problem import Problem


class Fault(NamedTuple):
    """A breach of contract: of which tensor, if one, and what."""

    tensor: str | None
    said: str


@dataclass(frozen=True)
class Backward:
    """One pull-back.

    Attributes:
        gradients: of each tensor, none where autograd has none.
        live: which outputs carry a gradient.
        failure: what the backward raised, in a line; empty if nothing.
        sparse: some of the gradients were, and are dense here.
        faults: breaches of contract that autograd puts right, or does not see.
    """

    gradients: tuple[Tensor | None, ...]
    live: tuple[bool, ...]
    failure: str = ""
    faults: tuple[Fault, ...] = ()
    sparse: bool = False


def pull_back(problem: Problem, deltas: Sequence[Tensor]) -> Backward:
    """The gradient of Σ output·delta, twice, to see that it is the same.

    Args:
        problem: of which function, and where.
        deltas: one for each output.
    """
    leaves = [point.clone().requires_grad_() for point in problem.points]
    outputs = problem.call(leaves)
    live = tuple(one.requires_grad for one in outputs)
    nothing = (None,) * len(leaves)
    if not any(live):
        return Backward(nothing, live)
    used = [one for one in outputs if one.requires_grad]
    given = [delta for delta, carries in zip(deltas, live, strict=True) if carries]

    sparse = False

    def gradients() -> tuple[Tensor | None, ...]:
        nonlocal sparse
        fresh = [delta.clone() for delta in given]
        found: Sequence[Tensor | None] = torch.autograd.grad(
            used, leaves, fresh, retain_graph=True, allow_unused=True
        )
        sparse = any(map(_is_sparse, found))
        return tuple(map(_dense, found))

    try:
        with _watched(used) as faults:
            made, again = gradients(), gradients()
    except Exception as error:  # whatever a user's backward raises
        return Backward(nothing, live, first_line(error))
    if not all(_close(one, other) for one, other in zip(made, again, strict=True)):
        said = "two calls of the backward differ: it draws random numbers, or keeps a state"
        faults.append(Fault(None, said))
    return Backward(made, live, faults=tuple(dict.fromkeys(faults)), sparse=sparse)


def _is_sparse(gradient: Tensor | None) -> bool:
    return gradient is not None and gradient.layout is not torch.strided


def _dense(gradient: Tensor | None) -> Tensor | None:
    return gradient.to_dense() if gradient is not None and _is_sparse(gradient) else gradient


def _close(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.allclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True)


class _Watch:
    """Stands in for the backward of a Function's class while it is watched."""

    def __init__(self, owner: type[torch.autograd.Function], faults: list[Fault]) -> None:
        self.owner, self.faults = owner, faults
        self.backward = owner.backward

    def __call__(self, ctx: Any, *deltas: Any) -> Any:
        versions = [one._version if isinstance(one, Tensor) else 0 for one in deltas]
        made = self.backward(ctx, *deltas)
        name = f"{self.owner.__name__}.backward"
        for delta, version in zip(deltas, versions, strict=True):
            if isinstance(delta, Tensor) and delta._version != version:
                said = f"{name} changes the gradient that it is given, in place"
                self.faults.append(Fault(None, said))
        gradients = made if isinstance(made, tuple) else (made,)
        for of, one in zip(
            argument_names(self.owner.apply, len(gradients)), gradients, strict=True
        ):
            if isinstance(one, Tensor) and one.dtype != torch.float64:
                kind = str(one.dtype).removeprefix("torch.")
                said = f"{name} returns {kind} for {of}, which is float64 here: autograd casts it"
                self.faults.append(Fault(of, f"{said}, and digits are lost"))
        return made


@contextmanager
def _watched(outputs: Sequence[Tensor]) -> Generator[list[Fault]]:
    """Faults of the Functions in the graph of these outputs; autograd mends them silently."""
    faults: list[Fault] = []
    own = {owner: vars(owner).get("backward") for owner in functions(outputs)}
    try:
        for owner in own:
            owner.backward = staticmethod(_Watch(owner, faults))
        yield faults
    finally:
        for owner, backward in own.items():
            if backward is None:  # it is inherited
                del owner.backward
            else:
                owner.backward = backward


def functions(outputs: Sequence[Tensor]) -> list[type[torch.autograd.Function]]:
    """The classes of all autograd.Functions in the graph of these outputs, from the end."""
    seen: set[Any] = set()
    found: dict[type[torch.autograd.Function], None] = {}
    todo: list[Any] = [one.grad_fn for one in outputs]
    while todo:
        node = todo.pop(0)
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            kind: Any = type(node)
            found[kind._forward_cls] = None
        todo += [parent for parent, _ in node.next_functions]
    return list(found)
