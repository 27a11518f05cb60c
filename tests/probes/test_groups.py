"""Specification of how tensors are taken together."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ninja.probes.groups import BUNDLE, Block, Cell, bundles, together
from tests.probes.steps import normal

shapes = st.lists(st.sampled_from([(2, 3), (3, 2), (6,), (), (0, 3)]), max_size=12)


@given(shapes)
def test_every_item_is_in_one_bundle_of_its_shape_and_in_order(
    chosen: list[tuple[int, ...]],
) -> None:
    items = [(i, torch.zeros(shape)) for i, shape in enumerate(chosen)]
    found = list(bundles(items, lambda item: item[1]))
    assert sorted(i for bundle in found for i, _ in bundle) == list(range(len(items)))
    for bundle in found:
        assert len({tensor.shape for _, tensor in bundle}) == 1
        assert [i for i, _ in bundle] == sorted(i for i, _ in bundle)


@pytest.mark.parametrize(
    ("elements", "sizes"),
    [(1, [5]), (BUNDLE // 2, [2, 2, 1]), (BUNDLE // 2 + 1, [1] * 5), (BUNDLE + 1, [1] * 5)],
)
def test_large_tensors_are_not_copied_together(elements: int, sizes: list[int]) -> None:
    tensors = [torch.empty(elements)] * 5
    assert [len(bundle) for bundle in bundles(tensors, lambda tensor: tensor)] == sizes


def test_several_are_stacked_and_one_is_viewed() -> None:
    one, other = normal(2, 3), normal(2, 3, seed=1)
    assert torch.equal(together([one, other]), torch.stack([one, other]))
    assert together([one]).shape == (1, 2, 3)
    assert together([one]).data_ptr() == one.data_ptr()


def test_a_block_knows_the_place_of_each_value() -> None:
    block = Block(("dead", "twins"), [("02.tanh", "y"), ("04.tanh", "y")], torch.zeros(4))
    assert block.cells() == [
        Cell("02.tanh", "y", "dead"),
        Cell("04.tanh", "y", "dead"),
        Cell("02.tanh", "y", "twins"),
        Cell("04.tanh", "y", "twins"),
    ]
