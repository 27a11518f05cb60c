"""Specification of a batch on its way through a model and its loss."""

from collections import namedtuple
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the name the field gives it)
from torch import Tensor, nn

from ninja.observe.feed import copied, fed, finite, pulled
from tests.observe.trainings import batch, mlp

X, Y = batch(0, 5, 6)
Pair = namedtuple("Pair", "inputs targets")


class Sum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()

    def forward(self, a: Tensor, b: Tensor | None = None, **_: Any) -> Tensor:
        return self.net(a if b is None else a + b)


@pytest.mark.parametrize(
    ("given", "loss_fn"),
    [
        ((X, Y), F.cross_entropy),
        ([X, Y], F.cross_entropy),
        (Pair(X, Y), F.cross_entropy),
        ((X / 2, X / 2, Y), F.cross_entropy),
        ({"a": X, "labels": Y}, lambda out, of: F.cross_entropy(out, of["labels"])),
        (X, lambda out, x: F.cross_entropy(out, Y) + 0 * x.sum()),
    ],
)
def test_shapes_of_batches(given: Any, loss_fn: Any) -> None:
    torch.manual_seed(1)
    model = Sum()
    assert torch.equal(fed(model, given, loss_fn), F.cross_entropy(model(X), Y))


def test_a_batch_that_is_written_over_is_a_copy() -> None:
    x = X.clone()
    model = nn.Sequential(nn.ReLU(inplace=True), mlp())
    pulled(model, (x, Y), F.cross_entropy)
    assert torch.equal(x, X)
    assert all(p.grad is not None for p in model.parameters())


def test_gradients_are_taken_where_there_are_none() -> None:
    with torch.no_grad():
        pulled(model := mlp(), (X, Y), F.cross_entropy)
    assert model[0].weight.grad is not None


def test_copies_are_of_the_same_kind() -> None:
    given = {"a": (X, [Y, "text"]), "b": Pair(X, None)}
    found = copied(given)
    assert type(found["b"]) is Pair
    assert found["a"][1][1] == "text"
    assert torch.equal(found["a"][0], X)
    assert found["a"][0] is not X
    assert copied(X.clone().requires_grad_()).requires_grad


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(value: float) -> None:
    assert finite({"a": (X, [Y, "text"]), "b": Pair(X, None)})
    assert not finite({"a": (X, [Y, X + value])})
    assert finite((torch.empty(2, device="meta"), torch.eye(2).to_sparse()))
    assert finite(torch.eye(2).to(torch.float8_e4m3fn))


@pytest.mark.parametrize(
    ("given", "loss_fn", "kind", "said"),
    [
        ((X,), F.cross_entropy, ValueError, "batch: 1 of them, give the inputs and the targets"),
        ((X, Y), lambda *_: 2.0, TypeError, "loss_fn: returned a float, it must return a tensor"),
        (
            (X, Y),
            lambda out, y: F.cross_entropy(out, y, reduction="none"),
            ValueError,
            "loss_fn: returned a tensor of shape (5,), it must return one number",
        ),
        (
            (X, Y),
            lambda *_: torch.tensor(1.0),
            ValueError,
            "loss_fn: its loss needs no gradient: nothing in this model trains by it",
        ),
    ],
)
def test_refusals(given: Any, loss_fn: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind) as caught:
        fed(mlp(), given, loss_fn)
    assert str(caught.value).startswith(said)
