"""Whatever is done to a model within it, it comes out as it went in; and so do all generators."""

import random
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

DICTIONARIES = ("_parameters", "_buffers", "_modules")
"""Attributes of a module whose contents are attributes too."""


@contextmanager
def untouched(model: nn.Module) -> Generator[None]:
    """Restore a model and the generators, also after an exception.

    Restored are parameters, buffers, gradients (there are none within), modes, every attribute that
    a module has by itself, and the states of the generators of Python, numpy and torch. What is
    held by a module's attribute and is no tensor of its own, such as a list, is not copied.
    """
    modules = [_Module.of(module) for module in model.modules()]
    tensors = [_Tensor.of(t) for t in _tensors(model)]
    drawn = _Drawn.now()
    try:
        yield
    finally:
        for module in modules:
            module.restore()
        for tensor in tensors:
            tensor.restore()
        drawn.restore()


@dataclass(frozen=True)
class _Module:
    """A module's attributes."""

    module: nn.Module
    attributes: dict[str, Any]
    contents: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, module: nn.Module) -> "_Module":
        contents = {name: dict(module.__dict__[name]) for name in DICTIONARIES}
        return cls(module, dict(module.__dict__), contents)

    def restore(self) -> None:
        self.module.__dict__.clear()
        self.module.__dict__.update(self.attributes)
        for name, content in self.contents.items():
            of = self.module.__dict__[name]
            of.clear()
            of.update(content)


@dataclass(frozen=True)
class _Tensor:
    """A parameter or a buffer: its numbers, gradient, and whether it needs one."""

    tensor: Tensor
    numbers: Tensor
    grad: Tensor | None
    requires_grad: bool

    @classmethod
    def of(cls, tensor: Tensor) -> "_Tensor":
        grad, needs = (tensor.grad, tensor.requires_grad) if tensor.is_leaf else (None, False)
        if grad is not None:
            tensor.grad = None
        return cls(tensor, tensor.detach().clone(), grad, needs)

    @torch.no_grad()
    def restore(self) -> None:
        if not torch.equal(self.tensor, self.numbers):  # torch's norms count no version
            self.tensor.copy_(self.numbers)
        if self.tensor.is_leaf:
            self.tensor.requires_grad_(self.requires_grad)
            self.tensor.grad = self.grad


@dataclass(frozen=True)
class _Drawn:
    """Where the generators are."""

    python: Any
    numpy: Any
    cpu: Tensor
    cuda: list[Tensor]

    @classmethod
    def now(cls) -> "_Drawn":
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        state = np.random.get_state()
        return cls(random.getstate(), state, torch.get_rng_state(), cuda)

    def restore(self) -> None:
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.cpu)
        if self.cuda:
            torch.cuda.set_rng_state_all(self.cuda)


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()
