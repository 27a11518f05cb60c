"""The linear layer with its numbers written out."""

import pytest
import torch

from ninja.rules import Linear

X = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
W = torch.tensor([[5.0, 6.0], [7.0, 8.0]])
B = torch.tensor([0.5, -0.5])
DY = torch.tensor([[1.0, 10.0], [100.0, 1000.0]])


def test_two_rows_by_hand() -> None:
    y = Linear(2, 2).forward({"W": W, "b": B}, X)["y"]
    assert y.tolist() == [[1 * 5 + 2 * 7 + 0.5, 1 * 6 + 2 * 8 - 0.5], [43.5, 49.5]]


def test_deltas_of_two_rows_by_hand() -> None:
    rule, params = Linear(2, 2), {"W": W, "b": B}
    dx, deltas = rule.backward(params, rule.forward(params, X), DY)
    # dx = dy Wᵀ: what each input sent to the two outputs comes back from them
    assert dx.tolist() == [[1 * 5 + 10 * 6, 1 * 7 + 10 * 8], [6500, 8700]]
    # dW = xᵀ dy: both rows used the weight, their deltas add
    assert deltas["W"].tolist() == [[1 * 1 + 3 * 100, 1 * 10 + 3 * 1000], [402, 4020]]
    assert deltas["b"].tolist() == [1 + 100, 10 + 1000]


def test_without_a_bias_there_is_none() -> None:
    rule, params = Linear(2, 2, bias=False), {"W": W}
    saved = rule.forward(params, X)
    assert rule.shapes() == {"W": (2, 2)}
    assert saved["y"].tolist() == [[19, 22], [43, 50]]
    assert rule.backward(params, saved, DY)[1].keys() == {"W"}


def test_shapes() -> None:
    assert Linear(3, 5).shapes() == {"W": (3, 5), "b": (5,)}


@pytest.mark.parametrize("rows", [1, 3])
def test_wide_and_tall_weights(rows: int) -> None:
    """With three sizes that differ, no delta can have the right shape by accident."""
    rule = Linear(2, 5)
    params = {"W": torch.ones(2, 5), "b": torch.zeros(5)}
    saved = rule.forward(params, torch.ones(rows, 2))
    dx, deltas = rule.backward(params, saved, torch.ones(rows, 5))
    assert dx.tolist() == [[5, 5]] * rows
    assert deltas["W"].tolist() == [[rows] * 5] * 2
    assert deltas["b"].tolist() == [rows] * 5


def test_a_replicas_bias_is_added_to_its_own_rows() -> None:
    """As many replicas as rows, where a bias of (R, O) could be broadcast over the rows."""
    params = {"W": torch.zeros(2, 2, 2), "b": torch.tensor([[1.0, 2.0], [3.0, 4.0]])}
    y = Linear(2, 2).forward(params, torch.ones(2, 2, 2))["y"]
    assert y.tolist() == [[[1, 2]] * 2, [[3, 4]] * 2]
