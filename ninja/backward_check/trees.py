"""Tensors within what a function is given or returns: tuples, lists and dictionaries of them."""

from collections.abc import Callable
from typing import Any

from torch import Tensor


def mapped(name: str, value: Any, visit: Callable[[str, Tensor], Any]) -> Any:
    """The same structure, every tensor replaced by visit(name, tensor), in order."""
    if isinstance(value, Tensor):
        return visit(name, value)
    if isinstance(value, dict):
        return {key: mapped(f"{name}[{key!r}]", one, visit) for key, one in value.items()}
    if isinstance(value, tuple | list):
        parts = [mapped(f"{name}[{i}]", one, visit) for i, one in enumerate(value)]
        if hasattr(value, "_fields"):  # a named tuple
            return type(value)(*parts)
        return type(value)(parts)
    return value


def tensors(name: str, value: Any) -> dict[str, Tensor]:
    """Every tensor within, by name."""
    found: dict[str, Tensor] = {}
    mapped(name, value, lambda path, tensor: found.setdefault(path, tensor))
    return found
