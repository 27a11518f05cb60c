"""Specification of a closer look."""

from typing import Any

import pytest
import torch
from torch import nn

from ninja.observe.calls import Call, Look
from ninja.observe.closely import CALLS, Closely, reported, spread
from ninja.observe.kinds import GATES
from ninja.observe.nodes import Node
from ninja.probes.histograms import histogram
from tests.probes.steps import normal


def looked(node: Node, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> list[Call]:
    look = Look(Closely(), lambda: None)
    found: list[Call] = []
    for given in inputs:
        x = given.to(dtype).clone().requires_grad_()
        y = {"tanh": torch.tanh, "relu": torch.relu, "gelu": nn.functional.gelu}[node.kind](x)
        call = look.called(node, y, -1)
        assert look.closely is not None
        look.closely.forward(call, x, y)
        y.sum().backward()
        found.append(call)
    return found


def shares(
    node: Node, calls: list[Call], scale: float = 1.0
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    cells, values, histograms = reported({node: calls}, [], scale)
    assert {(cell.node, cell.tensor) for cell in cells} == {(node.name, "y")}
    return dict(zip([cell.column for cell in cells], values, strict=True)), histograms


TANH = Node("act", "tanh", True, GATES["tanh"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_shares_of_an_activation(dtype: torch.dtype) -> None:
    x = normal(40, 5)
    x[:, 1] = x[:, 0]  # two units are one
    x[:, 2] = 9  # one is shut
    x[:, 3] = 0.01  # one is linear
    found, _ = shares(TANH, looked(TANH, x, dtype=dtype))
    linear = (x.to(dtype).float().abs() < 0.1).float().mean().item()
    assert found == pytest.approx({"twins": 0.4, "linear": linear, "gate": 0.2}, abs=1e-6)


def test_units_that_hardly_ever_act() -> None:
    x = normal(40, 4).abs()
    x[:, 0] *= -9
    for kind in ("relu", "gelu"):
        node = Node("act", kind, True)
        found, _ = shares(node, looked(node, x))
        assert found["gate"] >= 0.25


def test_histograms_of_outputs_and_deltas_unscaled() -> None:
    x = normal(30, 4)
    _, (value, delta) = shares(TANH, looked(TANH, x), scale=8.0)
    counts, edges, outside = histogram(x.tanh().reshape(-1), 0, limit=1.0)
    assert value == {
        "node": "act",
        "tensor": "y",
        "of": "value",
        "counts": counts.tolist(),
        "edges": pytest.approx(edges.tolist()),
        "outside": outside.item(),
    }
    assert (delta["of"], sum(delta["counts"])) == ("delta", 120)
    assert delta["edges"][-1] == pytest.approx(1 / 8)


def test_an_activation_that_is_called_very_often_is_looked_at_a_few_times() -> None:
    calls = looked(TANH, *(normal(3, 2, seed=at) for at in range(9)))
    assert sum(bool(call.close) for call in calls) == CALLS


def test_gradients_of_parameters() -> None:
    grad = normal(3, 4)
    cells, values, (row,) = reported({}, [("fc", spread("weight", grad))], 1.0)
    assert (cells, values) == ([], [])
    assert (row["node"], row["tensor"], sum(row["counts"])) == ("fc", "weight", 12)


def test_nothing_to_report() -> None:
    assert reported({}, [], 1.0) == ([], [], [])
