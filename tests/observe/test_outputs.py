"""Specification of the tensors of an output."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from ninja.observe.outputs import is_plain, tensors

X = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("output", "count"),
    [
        (X, 1),
        ((X, None), 1),
        ((X, (X, [X])), 3),
        ({"logits": X, "length": 3, "states": (X, X)}, 3),
        (OrderedDict(a=X), 1),
        (None, 0),
        ("text", 0),
        (torch.tensor(1.0), 0),  # a loss, which has no layers
        (torch.zeros(0, 3), 0),
        (torch.arange(3), 0),
        (torch.zeros(2, dtype=torch.complex64), 0),
        (torch.eye(2).to_sparse(), 0),
        (torch.zeros(2, device="meta"), 0),
        (nn.Parameter(X), 1),
    ],
)
def test_which_there_are(output: object, count: int) -> None:
    assert len(list(tensors(output))) == count


def test_not_those_of_a_transformation() -> None:
    seen: list[bool] = []

    def function(x: Tensor) -> Tensor:
        seen.append(is_plain(x))
        return x.sum()

    torch.func.grad(function)(X)
    torch.func.vmap(function)(X)
    assert seen == [False, False]
    assert is_plain(X)


def test_not_those_of_inference_mode() -> None:
    with torch.inference_mode():
        made = X.clone()
    assert not is_plain(made)
    assert not is_plain(made.view(-1))
    assert is_plain(made.relu())
