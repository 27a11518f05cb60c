"""The global random generators, held still or put back."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

State = list[Tensor]
"""Of the global generators: the CPU's, and those of the devices in use."""


def _devices(values: Iterable[Tensor]) -> list[int]:
    return sorted({one.device.index or 0 for one in values if one.device.type == "cuda"})


def get_state(values: Sequence[Tensor]) -> State:
    """Of the global generators that a function of these tensors may draw from."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state(i) for i in _devices(values))]


def set_state(state: State, values: Sequence[Tensor]) -> None:
    """Back to where `get_state` was asked."""
    torch.set_rng_state(state[0])
    for index, one in zip(_devices(values), state[1:], strict=True):
        torch.cuda.set_rng_state(one, index)


@contextmanager
def generators_untouched(values: Sequence[Tensor]) -> Generator[State]:
    """Whatever a function draws from the global generators is undone."""
    state = get_state(values)
    try:
        yield state
    finally:
        set_state(state, values)
