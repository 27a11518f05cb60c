"""The rules that only route: flatten and the residual sum."""

import pytest
import torch
from torch import Tensor

from ninja.errors import ShapeError
from ninja.rules import FlattenConsecutive, Residual
from tests.faults import fault_of

BATCH, CONTEXT, EMBD = 2, 8, 3


def rows() -> Tensor:
    """Embeddings (batch, context, features) as the rules hand them on: positions in the rows."""
    return torch.arange(float(BATCH * CONTEXT * EMBD)).view(BATCH * CONTEXT, EMBD)


def flatten(positions: int, x: Tensor) -> Tensor:
    return FlattenConsecutive(positions).forward({}, x)["y"]


def test_a_whole_context_is_the_lectures_view() -> None:
    emb = rows().view(BATCH, CONTEXT, EMBD)
    assert torch.equal(flatten(CONTEXT, rows()), emb.view(BATCH, -1))


def test_pairs_are_fused_level_by_level() -> None:
    """Part 5's FlattenConsecutive(2): (B, T, C) → (B, T/2, 2C), three times for a context of 8."""
    x, lecture = rows(), rows().view(BATCH, CONTEXT, EMBD)
    for _ in range(3):
        x = flatten(2, x)
        batch, context, features = lecture.shape
        lecture = lecture.view(batch, context // 2, features * 2)
        assert torch.equal(x, lecture.flatten(0, 1))
    assert x.shape == (BATCH, CONTEXT * EMBD)


def test_a_pair_holds_the_even_position_then_the_odd() -> None:
    emb = rows().view(BATCH, CONTEXT, EMBD)
    pairs = torch.cat([emb[:, ::2], emb[:, 1::2]], dim=2)
    assert torch.equal(flatten(2, rows()), pairs.flatten(0, 1))


def test_one_position_changes_nothing() -> None:
    assert torch.equal(flatten(1, rows()), rows())


@pytest.mark.parametrize("positions", [1, 2, 4, 8])
def test_a_delta_goes_back_to_where_its_number_came_from(positions: int) -> None:
    rule = FlattenConsecutive(positions)
    saved = rule.forward({}, rows())
    dx, deltas = rule.backward({}, saved, saved["y"].clone())
    assert torch.equal(dx, rows())
    assert deltas == {}


def test_a_replica_is_flattened_alone() -> None:
    stack = torch.stack([rows(), -rows()])
    y = flatten(CONTEXT, stack)
    assert y.shape == (2, BATCH, CONTEXT * EMBD)
    assert torch.equal(y[1], -y[0])


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)], ids=str)
def test_rows_that_do_not_divide_are_refused(lead: tuple[int, ...]) -> None:
    """Also where all rows of a stack together would."""
    x = torch.zeros(*lead, 4, EMBD)
    message = fault_of(lambda: flatten(3, x), ShapeError)
    assert "4" in message
    assert "3" in message


@pytest.mark.parametrize("form", ["backward", "backward_fused"])
def test_a_residual_routes_its_delta_to_both(form: str) -> None:
    rule, dy = Residual(), torch.tensor([[1.0, -2.0]])
    saved = rule.forward({}, torch.ones(1, 2), torch.tensor([[3.0, 5.0]]))
    assert saved["y"].tolist() == [[4, 6]]
    (dx, dbranch), deltas = getattr(rule, form)({}, saved, dy)
    assert torch.equal(dx, dy)
    assert torch.equal(dbranch, dy)
    assert deltas == {}
