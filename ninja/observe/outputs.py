"""The tensors that a module returns, as far as they can have a delta."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor


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


def is_plain(y: Tensor) -> bool:
    """Whether it holds real numbers, as a dense array of one or more dimensions.

    Not one that a transformation of `torch.func` has wrapped: it must not outlive that.
    """
    return (
        type(y) in (Tensor, nn.Parameter)
        and y.is_floating_point()
        and y.layout == torch.strided
        and y.dim() > 0
        and y.numel() > 0
        and not y.is_meta
        and not y.is_nested
        and not is_functorch_wrapped_tensor(y)
    )
