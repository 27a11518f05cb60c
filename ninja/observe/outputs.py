"""The tensors that a module returns, as far as they can have a delta."""

from collections.abc import Iterator, Mapping
from itertools import repeat
from operator import is_not
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor, is_legacy_batchedtensor


def tensors(output: Any) -> Iterator[Tensor]:
    """The plain ones of an output; tuples, lists and mappings are looked into."""
    if isinstance(output, Tensor):
        if is_plain(output):
            yield output
    elif isinstance(output, (tuple, list)):
        for one in output:
            yield from tensors(one)
    elif isinstance(output, Mapping):
        for one in output.values():
            yield from tensors(one)


def are_many(*grads: Tensor) -> bool:
    """Whether one is of many outputs at once, of a Jacobian: it must not outlive that."""
    return any(map(is_legacy_batchedtensor, grads)) or any(map(is_functorch_wrapped_tensor, grads))


def are_there(grads: list[Tensor | None]) -> TypeGuard[list[Tensor]]:
    """Whether none of them is missing."""
    return all(map(is_not, grads, repeat(None)))


def is_plain(y: Tensor) -> bool:
    """Whether it holds real numbers, as a dense array of one or more dimensions.

    Not one that a transformation of `torch.func` has wrapped: it must not outlive that. Nor one of
    inference mode: it has neither a delta nor a version.
    """
    return (
        type(y) in (Tensor, nn.Parameter)
        and y.is_floating_point()
        and y.layout == torch.strided
        and y.dim() > 0
        and y.numel() > 0
        and not y.is_meta
        and not y.is_nested
        and not y.is_inference()
        and not is_functorch_wrapped_tensor(y)
    )
