"""Specification of what is heard of a model while a step is due."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ninja.observe.calls import Call, Look
from ninja.observe.closely import Closely
from ninja.observe.hooks import Hooks
from ninja.observe.modules import Modules
from ninja.observe.nodes import Nodes
from tests.observe.trainings import (
    Attention,
    Functional,
    Recurrent,
    Residual,
    Shared,
    Swish,
    mlp,
    tokens,
)


def heard(
    model: nn.Module, run: Callable[[nn.Module], object], *, close: bool = True
) -> tuple[list[Call], Hooks]:
    modules, nodes = Modules(model), Nodes()
    modules.read()
    hooks = Hooks(modules, nodes)
    look = Look(Closely() if close else None, lambda: None)
    hooks.arm(look)
    try:
        run(model)
    finally:
        hooks.disarm()
    return look.calls, hooks


def names(calls: list[Call]) -> list[str]:
    return [call.node.name for call in calls]


X = torch.ones(4, 6)


def test_modules_in_the_order_of_execution() -> None:
    calls, hooks = heard(mlp(), lambda net: net(X))
    assert names(calls) == ["0", "1", "2", "3", "4"]
    assert [call.source and call.source.node.name for call in calls] == [None, "0", "1", "2", "3"]
    assert [call.read for call in calls] == [True, False, True, False, False]
    assert hooks.called


def test_functions_and_what_they_read() -> None:
    calls, hooks = heard(Functional(), lambda net: net(X))
    assert names(calls) == [
        *("first", "tanh(first)", "second", "relu(second)", "third", "relu(third)", "fourth")
    ]
    assert hooks.functional
    # but for the sigmoid in x + x.sigmoid(), which reads an activation
    assert all(call.node.acts == ("(" in call.node.name) for call in calls)


def test_functions_are_looked_for_closely_first() -> None:
    calls, hooks = heard(Functional(), lambda net: net(X), close=False)
    assert names(calls) == ["first", "second", "third", "fourth"]
    assert not hooks.functional


def test_a_gate_is_no_hidden_layer() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(self.a(x) + self.b(x)) * torch.tanh(self.a(x) + x)

    calls, _ = heard(Gated(), lambda net: net(X))
    assert names(calls) == ["a", "b", "a", "tanh().input", "tanh()"]


def test_the_networks_own_output_is_no_hidden_layer() -> None:
    model = nn.Sequential(nn.Linear(6, 3), nn.Sigmoid(), nn.Linear(3, 1), nn.Sigmoid())
    calls, _ = heard(model, lambda net: net(X))
    assert [call.node.acts for call in calls] == [False, True, False, False]


def test_a_module_of_ones_own_that_acts() -> None:
    calls, _ = heard(mlp(Swish()), lambda net: net(X))
    assert names(calls)[:2] == ["0", "1"]
    assert (calls[1].node.kind, calls[1].node.acts) == ("swish", True)
    assert calls[1].source is calls[0]


def test_attention_is_one_node_and_a_container_none() -> None:
    calls, _ = heard(Attention(), lambda net: net(tokens(0)))
    found = names(calls)
    twice, _ = heard(Attention(), lambda net: [net(tokens(0)) for _ in "ab"])
    assert names(twice) == found * 2
    assert found[:2] == ["embedding", "attention"]
    assert "encoder.layers.0.relu(linear1)" in found
    assert not {"model", "encoder", "encoder.layers.0", "attention.out_proj"} & set(found)


def test_an_activation_that_is_shared() -> None:
    calls, _ = heard(Residual(), lambda net: net(torch.ones(4, 3, 5)))
    assert names(calls) == ["first", "norm1", "relu", "second", "norm2", "relu(norm2)", "head"]
    calls, _ = heard(Shared(), lambda net: net(X))
    assert names(calls) == ["inner", "act"] * 3 + ["outer"]


def test_tuples_are_looked_into() -> None:
    calls, _ = heard(Recurrent(), lambda net: net(torch.ones(2, 3, 4)))
    assert names(calls) == ["cell"] * 3 + ["net"] * 3 + ["head"]


def test_an_input_in_place_becomes_a_node() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.act, self.b = nn.Linear(6, 6), nn.ReLU(inplace=True), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.act(self.a(x) + x))

    calls, _ = heard(Net(), lambda net: net(X).sum().backward())
    assert names(calls) == ["a", "act.input", "act", "b"]
    assert calls[1].delta is not None


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_an_evaluation_is_not_heard(context: Callable[[], torch.no_grad]) -> None:
    def run(net: nn.Module) -> None:
        with context():
            net(X)

    calls, hooks = heard(Functional(), run)
    assert calls == []
    assert not hooks.functional


def test_other_models_are_not_heard() -> None:
    other = mlp()
    calls, _ = heard(mlp(), lambda _: other(X))
    assert calls == []


def test_a_frozen_encoder_keeps_its_fast_path() -> None:
    model = Attention().eval().requires_grad_(False)
    calls, hooks = heard(model, lambda net: net(tokens(0)))
    assert "fast path" in hooks.missed
    assert not any("relu" in name for name in names(calls))
