"""Activations that are functions: `torch.tanh(x)` in a forward, and no module."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ninja.observe import kinds

Called = Callable[[str, Tensor, bool, Callable[[], Any]], Any]
"""Is given an activation's name, what it reads, whether it writes over that, and how to call it;
returns what that returns."""


class Functions(TorchFunctionMode):
    """Sees the functions of torch that are called while it is entered."""

    def __init__(self, called: Called) -> None:
        """Args: ``called`` is asked to call every activation."""
        super().__init__()
        self._called = called
        self._kinds = kinds.functions()

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call any function of torch."""
        named = kwargs or {}
        kind = None if torch.compiler.is_compiling() else self._kinds.get(func)
        if kind is None or not args or not isinstance(args[0], Tensor):
            return func(*args, **named)
        inplace = func.__name__.endswith("_") or any(
            given is True for given in (*args[1:], named.get("inplace"))
        )
        return self._called(kind, args[0], inplace, lambda: func(*args, **named))
