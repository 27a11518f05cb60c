"""Is somebody's backward right? Central differences, `torch.autograd.gradcheck`, and a reason."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ninja.backward_check.analytical import pull_back
from ninja.backward_check.arguments import first_line
from ninja.backward_check.judge import failed, is_drowned, judged
from ninja.backward_check.numerical import compare, objective, scale, too_coarse
from ninja.backward_check.problem import Problem, problem_of
from ninja.backward_check.randomness import State, generators_untouched, get_state
from ninja.backward_check.reasons import Looked
from ninja.backward_check.result import BackwardCheck
from ninja.backward_check.submodules import calls
from ninja.errors import ConfigError
from ninja.observe.untouched import untouched
from ninja.schema import check_seed

SUBMODULE_ELEMENTS = 100


def check_backward(fn: Any, inputs: Any, *, seed: int = 0, elements: int = 500) -> BackwardCheck:
    """Check a hand-written backward, or any: every input's gradient, and every parameter's.

    The gradient of Σ output·delta with random deltas is compared in float64 with central
    differences, element by element; then `torch.autograd.gradcheck` looks at the whole Jacobian.
    What it is given is left as it was: a module's parameters, buffers, dtype, mode and attributes,
    and the global random generators. A function that draws from these (dropout) is held to the
    same draw.

    Elements at which the function has no derivative (ReLU at 0) are left out, and this is said.

    Args:
        fn: a function, an `autograd.Function` (or its ``apply``), or a module, whose parameters
            are then checked too.
        inputs: a tensor, a sequence of arguments, or a mapping of named ones; within these, tensors
            in tuples, lists and dictionaries. Those that ask for a gradient are checked, or if none
            does, all of floating point.
        seed: of the deltas, and of the elements and directions chosen in large tensors.
        elements: most elements of one tensor that are looked at one by one; larger tensors are
            checked at so many, and along random directions.

    Raises:
        ConfigError: fn cannot be called on these inputs in float64, or nothing can be checked.
    """
    for name, value in (("seed", seed), ("elements", elements)):
        if isinstance(value, bool) or not isinstance(value, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"{name}: {value!r} is a {type(value).__name__}, give a whole number")
    check_seed(seed)
    if elements < 1:
        raise ConfigError(f"elements: {elements} is too few, give 1 or more")
    problem = problem_of(fn, inputs)
    here = generators_untouched(problem.points)
    with torch.inference_mode(False), torch.enable_grad(), untouched(fn), here as state:
        problem, notes = _repeatable(problem, state)
        found = _check(problem, seed, elements)
        if isinstance(fn, nn.Module):
            found = replace(found, module="") if found else _located(fn, problem, found, seed)
    return replace(found, notes=(*notes, *found.notes))


def _repeatable(problem: Problem, state: State) -> tuple[Problem, list[str]]:
    """The same problem, with its random draws held if it has any."""
    notes = [*problem.notes] + [
        f"{name} is changed in place: the gradients are of a copy" for name in problem.changed()
    ]
    notes += [f"{name} is complex and was not checked" for name in problem.unseen()]
    first = problem.call(problem.points)
    for one in first:
        if not one.isfinite().all():
            raise ConfigError("fn: returns values that are not finite, give inputs where it does")
    if _equal(first, problem.call(problem.points)):
        return problem, notes
    held = problem.hold(state)
    if not _equal(held.call(held.points), held.call(held.points)):
        raise ConfigError(
            "fn: is not deterministic, two calls on the same inputs differ: nothing can be said "
            "of its gradient"
        )
    said = "fn draws random numbers (dropout?): every call was given the same ones"
    return held, [*notes, said]


def _equal(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


def _check(problem: Problem, seed: int, elements: int) -> BackwardCheck:
    """All of it but for the submodules."""
    generator = Generator().manual_seed(seed)
    outputs = problem.outputs(problem.points)
    deltas = [
        torch.randn(one.shape, generator=generator, dtype=torch.float64).to(one.device)
        for one in outputs.values()
    ]
    backward = pull_back(problem, deltas)
    if "use_reentrant=True" in backward.failure:
        raise ConfigError(
            "fn: checkpoints with use_reentrant=True, which torch cannot differentiate by chosen "
            "tensors: give use_reentrant=False"
        )
    if backward.failure:
        return failed(problem, backward.failure)
    live = backward.live if any(backward.live) else (True,) * len(deltas)
    total = objective(problem, deltas, live)
    if too_coarse(total, problem.points, generator, total.size()):
        raise ConfigError(
            "fn: computes in less than float64 inside (a .float(), a constant of float32?), and "
            "rounding would drown the gradient"
        )
    comparisons = [
        compare(total, problem.points, i, gradient, generator, elements, total.size(i))
        for i, gradient in enumerate(backward.gradients)
    ]
    bends = any(found.close_by or found.kinks.any() for found in comparisons)
    skip = bends or backward.sparse  # its own differences know neither
    agrees, complaint = (None, "") if skip else _torch_gradcheck(problem, elements)
    if complaint.startswith("Jacobian mismatch") and all(one.passed for one in comparisons):
        agrees, complaint = None, ""  # its step fits one scale, and its rounding is not allowed for
    return judged(
        Looked(problem, deltas, live, backward, comparisons, list(outputs), agrees, complaint)
    )


def _torch_gradcheck(problem: Problem, elements: int) -> tuple[bool | None, str]:
    """The whole Jacobian, where it is small; the slow mode, which draws nothing."""
    points = [point.clone().requires_grad_() for point in problem.points]
    inputs = sum(point.numel() for point in points)
    outputs = [one for one in problem.call(points) if one.requires_grad]
    if not outputs or max(inputs, sum(one.numel() for one in outputs)) > 4 * elements:
        return None, ""
    try:
        torch.autograd.gradcheck(
            lambda *values: tuple(problem.call(values)),
            points,
            eps=1e-6 * min(1.0, *(scale(point.detach()) for point in points)),
            nondet_tol=1e-9,
            fast_mode=False,
        )
    except Exception as error:  # its own, and whatever a backward raises for zeros
        return False, first_line(error).rstrip(",")
    return True, ""


def _located(fn: nn.Module, problem: Problem, found: BackwardCheck, seed: int) -> BackwardCheck:
    """Name the submodule whose own backward is wrong, the first in the order of the backward."""
    for call in calls(fn, problem):
        try:
            inner = problem_of(call.module, call.inputs)
            state = get_state(inner.points)
            inner, _ = _repeatable(inner, state)
            alone = _check(inner, seed, SUBMODULE_ELEMENTS)
        except ConfigError:  # has nothing to differentiate, or cannot be called alone
            continue
        if not alone and not is_drowned(alone):
            where = f"{call.path} ({type(call.module).__name__})"
            return replace(
                found,
                reason=f"{where}: {alone.reason}",
                first_wrong=alone.first_wrong,
                module=call.path,
            )
    return replace(found, module="")
