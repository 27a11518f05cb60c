"""Activations that are functions: `torch.tanh(x)` in a forward, and no module."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ninja.observe import kinds
from ninja.observe.caller import Caller

Called = Callable[[str, Tensor, bool, Callable[[], Any]], Any]
"""Is given an activation's name, what it reads, whether it writes over that, and how to call it;
returns what that returns."""


class Functions(TorchFunctionMode):
    """Sees the functions of torch that are called while it is entered."""

    def __init__(self, called: Called, caller: Caller | None = None) -> None:
        """See them.

        Args:
            called: is asked to call every activation.
            caller: whose functions they are; this thread's if none is given.
        """
        super().__init__()
        self._called, self._caller = called, caller or Caller()
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
        given = args[0] if args else None
        if kind is None or not isinstance(given, Tensor) or self._caller.is_foreign():
            return func(*args, **named)
        inplace = func.__name__.endswith("_") or any(
            flag is True for flag in (*args[1:], named.get("inplace"))
        )
        return self._called(kind, given, inplace, lambda: func(*args, **named))
