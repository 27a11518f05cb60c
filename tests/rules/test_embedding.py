"""What is particular to the lookup: deltas of a token that occurs often, or never."""

import pytest
import torch
from torch import Tensor

from ninja.errors import ShapeError
from ninja.rules import Embedding
from ninja.types import Shape, Tensors
from tests.faults import fault_of

RULE = Embedding(vocab_size=5, n_embd=2)


def table(*lead: int) -> Tensors:
    return {"C": torch.arange(10.0).view(5, 2).expand(*lead, 5, 2).clone()}


def pull_back(tokens: Tensor, dy: Tensor) -> Tensor:
    params = table(*tokens.shape[:-2])
    return RULE.backward(params, RULE.forward(params, tokens), dy)[1]["C"]


def test_a_token_looks_up_its_row() -> None:
    y = RULE.forward(table(), torch.tensor([[3, 0], [3, 4]]))["y"]
    assert y.tolist() == [[6, 7], [0, 1], [6, 7], [8, 9]]


def test_a_token_that_occurs_ten_times_adds_up_ten_deltas() -> None:
    dy = torch.arange(20.0).view(10, 2)
    dC = pull_back(torch.full((2, 5), 3), dy)
    assert dC[3].tolist() == [90, 100]  # 0 + 2 + … + 18, 1 + 3 + … + 19


def test_a_token_that_does_not_occur_has_a_zero_delta() -> None:
    dC = pull_back(torch.full((2, 5), 3), torch.ones(10, 2))
    assert dC[[0, 1, 2, 4]].eq(0).all()


def test_there_is_no_delta_of_the_tokens() -> None:
    params, tokens = table(), torch.zeros(2, 3, dtype=torch.int64)
    dx, _ = RULE.backward(params, RULE.forward(params, tokens), torch.ones(6, 2))
    assert dx == ()


def test_the_positions_of_a_context_stay_together() -> None:
    y = RULE.forward(table(), torch.tensor([[0, 1, 2], [2, 3, 4]]))["y"]
    assert y.view(2, 3, 2)[1].tolist() == [[4, 5], [6, 7], [8, 9]]


def test_a_replica_looks_up_its_own_table_and_gets_its_own_deltas() -> None:
    params = {"C": torch.stack([torch.zeros(5, 2), torch.ones(5, 2)])}
    saved = RULE.forward(params, torch.tensor([[[0, 4]], [[0, 4]]]))
    assert saved["y"].tolist() == [[[0, 0]] * 2, [[1, 1]] * 2]
    _, deltas = RULE.backward(
        params, saved, torch.tensor([1.0, 10.0]).view(2, 1, 1).expand(2, 2, 2)
    )
    assert deltas["C"][:, 0].tolist() == [[1, 1], [10, 10]]
    assert deltas["C"][:, 4].tolist() == [[1, 1], [10, 10]]
    assert deltas["C"][:, 1:4].eq(0).all()


@pytest.mark.parametrize(
    ("tokens", "lead"),
    [((3, 4), (2,)), ((2, 3, 4), ()), ((2, 3, 4), (3,)), ((1, 3, 4), (2,)), ((2, 3, 4), (2, 2))],
    ids=str,
)
def test_other_leading_dimensions_are_refused(tokens: Shape, lead: Shape) -> None:
    given = torch.zeros(tokens, dtype=torch.int64)
    message = fault_of(lambda: RULE.forward(table(*lead), given), ShapeError)
    assert str(tokens) in message
    assert str((*lead, 5, 2)) in message


@pytest.mark.parametrize("token", [5, -1])
@pytest.mark.parametrize("lead", [(), (2,)], ids=["run", "stack"])
def test_a_token_outside_the_vocabulary_is_refused(token: int, lead: Shape) -> None:
    """In a stack it must not look up the table of the replica beside it."""
    tokens = torch.zeros((*lead, 1, 1), dtype=torch.int64)
    tokens.view(-1)[0 if token == 5 else -1] = token
    with pytest.raises((IndexError, ValueError)):
        RULE.forward(table(*lead), tokens)
