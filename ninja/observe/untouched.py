"""Whatever is done to a model within it, it comes out as it went in; and so do all generators."""

import random
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Restore = Callable[[], object]
"""Puts one thing back."""

DICTIONARIES = (dict, OrderedDict, defaultdict)
CONTAINERS = (*DICTIONARIES, list, set, deque)
"""What is looked into, and by its very type: of a subclass nobody knows what writing to it does."""

COMPRESSED = (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)


@contextmanager
def untouched(*roots: Any) -> Generator[None]:
    """Restore models and the generators, also after an exception.

    Restored are parameters, buffers and other tensors, gradients (there are none within), modes,
    hooks, every attribute that a module has by itself with the lists, dictionaries and sets in
    these, the generators among them, and the global ones of Python, numpy and torch. An attribute
    that is another object is not looked into.

    Args:
        roots: modules, or methods of one; of anything else there is nothing known.
    """
    # a stack of callbacks: each is called, whatever another one raises
    with ExitStack() as restored:
        restored.callback(random.setstate, random.getstate())
        restored.callback(np.random.set_state, np.random.get_state())
        restored.callback(torch.set_rng_state, torch.get_rng_state())
        if torch.cuda.is_initialized():
            restored.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
        for thing in _held(roots):
            for restore in _restores(thing):
                restored.callback(restore)
        yield


def _held(roots: tuple[Any, ...]) -> Iterator[Any]:
    """Everything that can change, each once: modules, containers, tensors and generators."""
    seen: dict[int, Any] = {}  # and keeps them: a number is given again
    owners = [root.__self__ if isinstance(root, MethodType) else root for root in roots]
    todo: list[Any] = [owner for owner in owners if isinstance(owner, nn.Module)]
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        if isinstance(thing, nn.Module):
            # those of a scripted module are not in its dictionary
            todo += [vars(thing), *thing.children()]
            todo += [*thing.parameters(recurse=False), *thing.buffers(recurse=False)]
        elif type(thing) in DICTIONARIES:
            todo += thing.values()
        elif type(thing) in CONTAINERS or type(thing) is tuple:
            todo += thing
        elif not isinstance(thing, (Tensor, *GENERATORS)):
            continue
        seen[id(thing)] = thing
        yield thing


GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)


def _restores(thing: Any) -> Iterator[Restore]:
    """How to put it back, as it is now."""
    if isinstance(thing, torch.jit.ScriptModule):  # whose mode is no entry of a dictionary
        mode = thing.training
        yield lambda: setattr(thing, "training", mode)
    elif type(thing) in CONTAINERS:
        content = thing.copy()
        yield lambda: _refill(thing, content)
    elif isinstance(thing, Tensor):
        yield _Tensor.of(thing).restore
    elif isinstance(thing, torch.Generator):
        state = thing.get_state()
        yield lambda: thing.set_state(state)
    elif isinstance(thing, np.random.Generator):
        bits, numpy_state = thing.bit_generator, thing.bit_generator.state
        yield lambda: setattr(bits, "state", numpy_state)
    elif isinstance(thing, np.random.RandomState):
        legacy = thing.get_state()
        yield lambda: thing.set_state(legacy)
    elif isinstance(thing, random.Random):
        python_state = thing.getstate()
        yield lambda: thing.setstate(python_state)


def _refill(container: Any, content: Any) -> None:
    container.clear()
    add = container.extend if isinstance(container, list | deque) else container.update
    add(content)


@dataclass(frozen=True)
class _Tensor:
    """A tensor: its numbers and their place, gradient, and whether it needs one.

    Attributes:
        tensor: whose.
        place: another tensor on the same memory, of the shape it had.
        numbers: a copy.
        grad: its gradient.
        hooks: on its gradient.
        requires_grad: whether it needs one, of a leaf; none of what has a graph behind it.
    """

    tensor: Tensor
    place: Tensor
    numbers: Tensor
    grad: Tensor | None
    hooks: dict[Any, Any]
    requires_grad: bool | None

    @classmethod
    def of(cls, tensor: Tensor) -> "_Tensor":
        leaf = tensor.is_leaf
        grad, needs = (tensor.grad, tensor.requires_grad) if leaf else (None, None)
        hooks = dict(tensor._backward_hooks or {})
        found = cls(tensor, tensor.detach(), tensor.detach().clone(), grad, hooks, needs)
        if grad is not None:
            tensor.grad = None
        return found

    @torch.no_grad()
    def restore(self) -> None:
        tensor, place = self.tensor, self.place
        if tensor._backward_hooks is not None:
            _refill(tensor._backward_hooks, self.hooks)
        if self.requires_grad is not None:
            if not tensor.is_leaf:  # was written to in place, with a graph
                tensor.detach_()
            if tensor.requires_grad != self.requires_grad:
                tensor.requires_grad_(self.requires_grad)
            tensor.grad = None  # of another shape maybe
        if not _plain(place):  # torch compares no such two, and they need not share memory
            if tensor.layout in COMPRESSED:  # copied only between as many numbers
                tensor.resize_as_sparse_(self.numbers)
            tensor.copy_(self.numbers)
        elif not place.is_meta:
            if not _same_place(tensor, place):
                tensor.data = place
            if not torch.equal(place, self.numbers):  # torch's norms count no version
                _write(place, self.numbers)
        if self.grad is not None:
            tensor.grad = self.grad


def _plain(tensor: Tensor) -> bool:
    return tensor.layout is torch.strided and not tensor.is_nested


def _same_place(one: Tensor, other: Tensor) -> bool:
    """Whether the two are the same numbers in memory."""
    return (one.data_ptr(), one.shape, one.stride(), one.dtype) == (
        (other.data_ptr(), other.shape, other.stride(), other.dtype)
    )


def _write(to: Tensor, numbers: Tensor) -> None:
    """Write every element once: where a tensor was expanded, torch refuses to write to it."""
    for dim, stride in enumerate(to.stride()):
        if stride == 0 and to.shape[dim] > 1:
            to, numbers = to.narrow(dim, 0, 1), numbers.narrow(dim, 0, 1)
    to.copy_(numbers)
