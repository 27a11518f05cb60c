"""Specification of the functions that are seen while a mode is entered."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the name the field gives it)
from torch import Tensor

from ninja.observe.functions import Functions

Seen = list[tuple[str, bool]]


def watching(seen: Seen) -> Functions:
    def called(kind: str, x: Tensor, inplace: bool, call: Callable[[], Any]) -> Any:
        assert isinstance(x, Tensor)
        seen.append((kind, inplace))
        return call()

    return Functions(called)


def test_activations_and_nothing_else() -> None:
    seen: Seen = []
    x = torch.randn(3, 4)
    with watching(seen):
        y = torch.tanh(x) + x.sigmoid()
        F.relu(y, inplace=True)
        F.leaky_relu(y, 0.1, True)
        torch.relu_(y)
        y.tanh_()
        F.gelu(x, approximate="tanh")
        F.softmax(x, -1)
        x.exp().sum()
    assert seen == [
        *(("tanh", False), ("sigmoid", False), ("relu", True), ("leaky_relu", True)),
        *(("relu", True), ("tanh", True), ("gelu", False)),
    ]


def test_the_results_are_the_functions_own() -> None:
    x = torch.randn(3, 4)
    with watching([]):
        found = torch.tanh(x), F.silu(x), x.relu()
    assert all(map(torch.equal, found, (torch.tanh(x), F.silu(x), x.relu())))
    assert not torch.overrides.has_torch_function((x,))
