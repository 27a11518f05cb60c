"""What `watch` and `preflight` refuse, each in a line that names the argument."""

import operator
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.optim import Optimizer


def model(given: Any) -> nn.Module:
    """A module with parameters.

    Raises:
        TypeError: it is no module.
        ValueError: it has no parameters.
    """
    if not isinstance(given, nn.Module):
        raise TypeError(f"model: {said(given)}, give a torch.nn.Module")
    if next(given.parameters(), None) is None:
        raise ValueError(
            f"model: {type(given).__name__} has no parameters, there is nothing to see"
        )
    return given


def every(given: Any) -> int:
    """How many steps lie between two looks.

    Raises:
        TypeError: it is no integer.
        ValueError: it is below 1.
    """
    found = _integer(given)
    if found is None:
        raise TypeError(f"every: {said(given)}, give a number of steps such as 10")
    if found < 1:
        raise ValueError(f"every: {found} is out of range, give 1 or more steps")
    return found


def classes(given: Any) -> int | None:
    """Of a cross-entropy, if it is known.

    Raises:
        TypeError: it is no integer.
        ValueError: it is below 2.
    """
    if given is None:
        return None
    found = _integer(given)
    if found is None:
        raise TypeError(f"classes: {said(given)}, give a number such as 10, or leave it out")
    if found < 2:
        raise ValueError(f"classes: {found} is out of range, give 2 or more, or leave it out")
    return found


def _integer(given: Any) -> int | None:
    """Python's, of one of numpy's too; none of anything else."""
    try:
        return None if isinstance(given, bool | np.bool_ | Tensor) else operator.index(given)
    except TypeError:
        return None


def optimizers(given: Any, model: nn.Module) -> tuple[Optimizer, ...]:
    """One optimizer or several, without what wraps them.

    Raises:
        TypeError: one is no optimizer.
        ValueError: one has no parameter of the model.
    """
    listed: Sequence[Any] = given if isinstance(given, (list, tuple)) else [given]
    own = {id(parameter) for parameter in model.parameters()}
    found: list[Optimizer] = []
    for one in listed if given is not None else ():
        inner = one
        while not hasattr(inner, "_optimizer_step_pre_hooks") and hasattr(inner, "optimizer"):
            inner = inner.optimizer
        if not isinstance(inner, Optimizer) or not hasattr(inner, "_optimizer_step_pre_hooks"):
            raise TypeError(
                f"optimizer: {said(one)}, give a torch.optim.Optimizer, a list of them, or None"
            )
        groups = inner.param_groups
        if not any(id(p) in own for group in groups for p in group["params"]):
            raise ValueError(
                f"optimizer: none of the parameters of this {type(inner).__name__} is the model's, "
                "give the optimizer that trains this model"
            )
        found.append(inner)
    return tuple(found)


def loss(given: Any) -> Tensor | float:
    """A single number; one that is not finite is a finding, and no fault of the call.

    Raises:
        TypeError: it is no number.
        ValueError: it is several.
    """
    if isinstance(given, Tensor):
        if given.numel() != 1:
            raise ValueError(
                f"loss: a tensor of shape {tuple(given.shape)}, give a single number, "
                "such as loss.mean()"
            )
        if given.is_complex():
            raise TypeError("loss: a complex number, give a real one")
        return given.detach().clone()  # whose it is, it may be written over
    if isinstance(given, bool) or not isinstance(given, (int, float, np.number)):
        raise TypeError(f"loss: {said(given)}, give the loss as a tensor or a float")
    return float(given)


def folder(given: Any) -> Path:
    """Where a record can be put.

    Raises:
        TypeError: it is no path.
        ValueError: it is a file, or lies in one, or holds a run of somebody else.
    """
    try:
        path = Path(given)
    except TypeError:
        raise TypeError(f"folder: {said(given)}, give the path of a folder") from None
    if not str(given) or "\0" in str(given):
        raise ValueError(f"folder: {str(given)!r} is no path, give the path of a folder")
    for part in (path, *path.parents):
        if part.exists():
            if not part.is_dir():
                raise ValueError(f"folder: {str(part)!r} is a file, give the path of a folder")
            break
    return path


def said(given: Any) -> str:
    """What something is, in a few words."""
    plain = isinstance(given, (str, int, float, bytes))
    return f"{reprlib.repr(given)} is a {type(given).__name__}" if plain else type(given).__name__


def shaped(model: nn.Module) -> None:
    """All of its parameters have shapes.

    Raises:
        ValueError: one has none yet.
    """
    for name, parameter in model.named_parameters():
        if isinstance(parameter, UninitializedParameter):
            raise ValueError(
                f"model: {name} has no shape yet, call the model on a batch once before"
            )
