"""What a function is given: names of its arguments, and which tensors to differentiate by."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from ninja.backward_check.result import Kind, Row


def arguments(inputs: Any) -> tuple[list[Any], dict[str, Any]]:
    """What is given by position, and by name."""
    if isinstance(inputs, Mapping):
        return [], {str(name): one for name, one in inputs.items()}
    if isinstance(inputs, Sequence) and not isinstance(inputs, str):
        return list(inputs), {}
    return [inputs], {}


def argument_names(function: Any, count: int) -> list[str]:
    """What a function calls its first arguments; "input 0" … where it does not say."""
    owner = getattr(function, "__self__", None)
    target = function.forward if isinstance(function, nn.Module) else function
    drop = 0
    if is_function_class(owner):
        target = owner.forward
        drop = int(owner.setup_context is torch.autograd.Function.setup_context)  # ctx comes first
    try:
        parameters = list(inspect.signature(target).parameters.values())[drop:]
    except (TypeError, ValueError):  # a function of C
        parameters = []
    names = [
        one.name
        for one in parameters
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    return [names[i] if i < len(names) else f"input {i}" for i in range(count)]


def sorted_out(found: Mapping[str, Tensor], kind: Kind) -> tuple[list[str], list[Row]]:
    """Which to differentiate by: those that ask for it, or all that can where none asks."""
    asked = any(one.requires_grad for one in found.values())
    chosen: list[str] = []
    skipped: list[Row] = []
    for name, one in found.items():
        why = unfit(one) or ("needs no gradient" if asked and not one.requires_grad else "")
        if why:
            skipped.append(Row(name, kind, tuple(one.shape), "skipped", reason=why))
        else:
            chosen.append(name)
    return chosen, skipped


def unfit(tensor: Tensor) -> str:
    """Why a tensor cannot be differentiated by; empty where it can."""
    if tensor.layout is not torch.strided:
        return "is not dense"
    if not tensor.dtype.is_floating_point:
        return f"{dtype_of(tensor)} has no gradient here"
    return "" if tensor.numel() else "is empty"


def is_function_class(fn: Any) -> TypeGuard[type[torch.autograd.Function]]:
    """Whether it is the class of an autograd.Function."""
    return isinstance(fn, type) and issubclass(fn, torch.autograd.Function)


def is_real(tensor: Tensor) -> bool:
    """Whether it is of floating point, and not complex."""
    return tensor.dtype.is_floating_point


def dtype_of(tensor: Tensor) -> str:
    """As one says it."""
    return str(tensor.dtype).removeprefix("torch.")


def first_line(error: BaseException) -> str:
    """What an exception says, in a line that can be printed."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return "".join(c if c.isprintable() else " " for c in line)
