"""Specification of which networks mean-field theory knows."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the name the field gives it)
from torch import Tensor, nn

from ninja.observe.calls import Look
from ninja.observe.chain import links
from ninja.observe.closely import Closely
from ninja.observe.gather import reached
from ninja.observe.hooks import Hooks
from ninja.observe.modules import Modules
from ninja.observe.nodes import Nodes
from ninja.observe.stack import Link
from tests.observe.trainings import Shared, mlp

X = torch.ones(3, 6)


def linked(model: nn.Module) -> list[Link] | str:
    modules, look = Modules(model), Look(Closely(), lambda: None)
    modules.read()
    hooks = Hooks(modules, Nodes())
    hooks.arm(look)
    try:
        model(X)
    finally:
        hooks.disarm()
    return links(reached(look))


def test_a_stack() -> None:
    model = mlp(nn.GELU())
    assert linked(model) == [Link(model[2], 1.0)]


def test_functions_count_as_well() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(F.relu(self.b(F.relu(self.a(x)))))

    model = Net()
    assert linked(model) == [Link(model.b, 1.0)]


def test_a_dropout_is_known_while_it_drops() -> None:
    model = mlp(nn.Tanh(), nn.Dropout(0.2), nn.Identity())
    (link,) = linked(model)
    assert link.kept == pytest.approx(1.25)
    model.eval()
    (link,) = linked(model)
    assert link.kept == 1.0


class Sum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.a(x))
        return self.c(torch.tanh(self.b(x) + x))


class Jump(Sum):
    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.a(x))
        return self.c(torch.tanh(self.b(x + 1)))


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (nn.Linear(6, 3), "there are no hidden layers, and no depth"),
        (nn.Sequential(nn.Linear(6, 3), nn.ReLU()), "there is one hidden layer, and no depth"),
        (mlp(nn.BatchNorm1d(8), nn.ReLU()), "2 does not read a linear layer alone"),
        (mlp(nn.Mish()), "1 is a mish, whose theory is not known here"),
        (mlp(nn.Tanh(), nn.LayerNorm(8)), "between 1 and 4 is more than one linear layer"),
        (Sum(), "tanh() does not read a linear layer alone"),
        (Jump(), "between tanh(a) and tanh(b) is more than one linear layer"),
        (Shared(), "act is called several times"),
    ],
)
def test_what_is_none(model: nn.Module, why: str) -> None:
    assert linked(model) == why
