"""From somebody's function and arguments to one over float64 tensors that can be differentiated."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ninja.backward_check.arguments import (
    argument_names,
    arguments,
    dtype_of,
    first_line,
    is_function_class,
    is_real,
    sorted_out,
    unfit,
)
from ninja.backward_check.randomness import State, set_state
from ninja.backward_check.result import Kind, Row
from ninja.backward_check.trees import mapped, tensors
from ninja.errors import ConfigError


@dataclass(frozen=True)
class Problem:
    """A function of float64 tensors.

    Attributes:
        names: of the tensors, inputs first.
        kinds: of each.
        points: their values, float64.
        skipped: rows of those that are not checked.
        evaluate: all tensors' values to what the function returns.
        arguments: what an autograd.Function calls all its arguments, in order; else empty.
        notes: what is not looked at.
        held: state that the global generators are set to before each call; none where nothing is
            drawn.
    """

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    points: tuple[Tensor, ...]
    skipped: tuple[Row, ...]
    evaluate: Callable[[dict[tuple[Kind, str], Tensor]], Any]
    arguments: tuple[str, ...] = ()
    held: State | None = None
    notes: tuple[str, ...] = ()

    def call(self, values: Sequence[Tensor]) -> list[Tensor]:
        """The outputs of floating point. The function gets copies, which it may change.

        Raises:
            ConfigError: it fails, returns none, or computes in another precision than float64.
        """
        return list(self.outputs(values).values())

    def outputs(self, values: Sequence[Tensor]) -> dict[str, Tensor]:
        """The same, by name.

        Raises:
            ConfigError: as for `call`.
        """
        copies = {key: value.clone() for key, value in zip(self._keys(), values, strict=True)}
        return self._outputs(copies)

    def changed(self) -> list[str]:
        """The tensors that the function changes in place."""
        copies = {key: point.clone() for key, point in zip(self._keys(), self.points, strict=True)}
        self._outputs(copies)
        pairs = zip(self.names, copies.values(), self.points, strict=True)
        return [name for name, copy, point in pairs if not torch.equal(copy, point)]

    def unseen(self) -> list[str]:
        """The complex outputs, which are not checked."""
        copies = {key: point.clone() for key, point in zip(self._keys(), self.points, strict=True)}
        made = tensors("output", self.evaluate(copies))
        return [name for name, one in made.items() if one.is_complex()]

    def hold(self, state: State) -> "Problem":
        """The same, but every call draws the same random numbers."""
        return replace(self, held=state)

    def _keys(self) -> Iterator[tuple[Kind, str]]:
        return zip(self.kinds, self.names, strict=True)

    def _outputs(self, copies: dict[tuple[Kind, str], Tensor]) -> dict[str, Tensor]:
        if self.held is not None:
            set_state(self.held, self.points)
        try:
            made = self.evaluate(copies)
        except Exception as error:  # whatever a user's function raises
            raise ConfigError(f"fn: fails on float64 inputs ({first_line(error)})") from error
        found = {name: one for name, one in tensors("output", made).items() if is_real(one)}
        if not found:
            raise ConfigError("fn: returns no tensor of floating point, there is nothing to check")
        for name, one in found.items():
            if one.dtype != torch.float64:
                raise ConfigError(
                    f"fn: computes in {dtype_of(one)} though its inputs are float64 ({name}), and "
                    "rounding would drown the gradient: let it keep its inputs' dtype"
                )
        return found


def problem_of(fn: Any, inputs: Any) -> Problem:
    """The problem of a function, an autograd.Function or a module, at these inputs.

    Raises:
        ConfigError: it cannot be called, or there is no tensor to differentiate by.
    """
    function = fn.apply if is_function_class(fn) else fn
    if not callable(function):
        raise ConfigError(f"fn: {type(fn).__name__} is no function, autograd.Function or module")
    args, kwargs = arguments(inputs)
    given = dict(zip(argument_names(function, len(args)), args, strict=True)) | kwargs
    found = {
        path: one for name, value in given.items() for path, one in tensors(name, value).items()
    }
    chosen, skipped = sorted_out(found, "input")
    evaluate, parameters, frozen = _with_parameters(function)
    named = [("input", name, found[name]) for name in chosen]
    named += [("parameter", name, one) for name, one in parameters.items()]
    if not named:
        raise ConfigError("inputs: none is a tensor of floating point that needs a gradient")
    doubles = {name: one.detach().double() for name, one in found.items() if is_real(one)}
    for _, name, one in named:
        if not one.detach().isfinite().all():
            raise ConfigError(f"{name}: holds values that are not finite, give finite ones")

    def call(values: dict[tuple[Kind, str], Tensor]) -> Any:
        def value(name: str, tensor: Tensor) -> Tensor:
            fixed = doubles[name].clone() if name in doubles else tensor.detach().clone()
            return values.get(("input", name), fixed)

        placed = {name: mapped(name, one, value) for name, one in given.items()}
        positional = [placed[name] for name in list(given)[: len(args)]]
        named_ = {name: placed[name] for name in kwargs}
        own = {name: one for (kind, name), one in values.items() if kind == "parameter"}
        return evaluate(own, positional, named_)

    return Problem(
        tuple(name for _, name, _ in named),
        tuple("input" if kind == "input" else "parameter" for kind, _, _ in named),
        tuple(one.detach().double() for _, _, one in named),
        (*skipped, *frozen),
        call,
        tuple(given) if is_function_class(getattr(function, "__self__", None)) else (),
        notes=_said(function),
    )


Evaluate = Callable[[dict[str, Tensor], list[Any], dict[str, Any]], Any]


def _with_parameters(function: Any) -> tuple[Evaluate, dict[str, nn.Parameter], list[Row]]:
    """How to call it with other parameters, those it has, and rows of those that are frozen."""
    if not isinstance(function, nn.Module):
        return lambda _, args, kwargs: function(*args, **kwargs), {}, []
    parameters = dict(function.named_parameters())
    padding = _padding(function)
    for name, one in parameters.items():
        if isinstance(one, nn.parameter.UninitializedParameter):
            raise ConfigError(f"fn: {name} has no shape yet, call the module on an input first")
    fit = {name: one for name, one in parameters.items() if one.requires_grad and not unfit(one)}
    rest = [
        Row(name, "parameter", tuple(one.shape), "skipped", reason=unfit(one) or "is frozen")
        for name, one in parameters.items()
        if name not in fit
    ]
    state = {
        name: one.detach().double() if is_real(one) else one.detach()
        for name, one in [*parameters.items(), *function.named_buffers()]
    }

    def evaluate(own: dict[str, Tensor], args: list[Any], kwargs: dict[str, Any]) -> Any:
        fresh = {name: one.clone() for name, one in state.items() if name not in own}
        for name in padding.keys() & own.keys():  # held still: its gradient is zero by contract
            row = torch.tensor([padding[name]], device=own[name].device)
            own = own | {name: own[name].index_copy(0, row, state[name][row])}
        return functional_call(function, fresh | own, tuple(args), kwargs)

    return evaluate, fit, rest


def _said(function: Any) -> tuple[str, ...]:
    padding = _padding(function) if isinstance(function, nn.Module) else {}
    return tuple(
        f"{name}[{row}] is padding: its gradient is zero by contract, and the row is held still"
        for name, row in padding.items()
    )


def _padding(module: nn.Module) -> dict[str, int]:
    """The row of each embedding's weight that stands for padding.

    Raises:
        ConfigError: an embedding rescales its weight in the forward, where no gradient goes, or
            has padding and a sparse gradient.
    """
    found: dict[str, int] = {}
    for path, inner in module.named_modules():
        if not isinstance(inner, (nn.Embedding, nn.EmbeddingBag)):
            continue
        name = f"{path}.weight" if path else "weight"
        if inner.max_norm is not None:
            raise ConfigError(
                f"fn: {name} is rescaled in the forward (max_norm), and its gradient is not that "
                "of the forward: set max_norm to None"
            )
        if inner.padding_idx is not None and inner.sparse:  # no row of it can be held still
            raise ConfigError(f"fn: {name} is sparse and has padding: set sparse to False")
        if inner.padding_idx is not None:
            found[name] = inner.padding_idx
    return found
