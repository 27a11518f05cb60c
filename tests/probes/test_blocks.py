"""Specification of where numbers belong."""

import numpy as np
import pytest
import torch

from ninja.probes import Block, Cell, Layers, close_blocks, numbers, places, rule_kind
from tests.probes.steps import CONFIGS, step


def test_a_block_knows_the_place_of_each_value() -> None:
    block = Block(("dead", "twins"), [("02.tanh", "y"), ("04.tanh", "y")], np.zeros(4))
    assert block.cells() == [
        Cell("02.tanh", "y", "dead"),
        Cell("04.tanh", "y", "dead"),
        Cell("02.tanh", "y", "twins"),
        Cell("04.tanh", "y", "twins"),
    ]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_blocks_come_one_after_the_other(shape: tuple[int, ...]) -> None:
    one, other = np.ones((2, *shape)), np.zeros((1, *shape))
    names = [("02.tanh", "y"), ("04.tanh", "y")]
    found = numbers([Block(("dead",), names, one), Block(("gate",), names[:1], other)])
    assert found.shape == (3, *shape)
    assert found.reshape(3, -1).mean(1).tolist() == [1, 1, 0]


@pytest.mark.parametrize("config", CONFIGS)
def test_a_place_is_that_of_the_node(config: str) -> None:
    s = step(config)
    blocks = close_blocks(s.net, s.trace)
    cells = Layers(s).cells + [cell for block in blocks for cell in block.cells()]
    found = places(s.net, cells)
    assert [place[3:] for place in found] == [cell[1:] for cell in cells]
    for (depth, node, rule, _, _), cell in zip(found, cells, strict=True):
        assert node == cell.node == s.net.nodes[depth].name
        assert rule == rule_kind(s.net.nodes[depth])


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ("rmsnorm", {"rmsnorm", "tanh"}),
        ("layernorm", {"layernorm", "embedding", "linear"}),
        ("leaky_relu", {"leaky_relu"}),
        ("residual", {"residual", "batchnorm"}),
    ],
)
def test_a_rule_is_called_as_in_a_config(config: str, kinds: set[str]) -> None:
    assert kinds <= {rule_kind(node) for node in step(config).net.nodes}


def test_places_are_plain_data() -> None:
    s = step("lecture_manual")
    for place in places(s.net, Layers(s).cells):
        assert [type(part) for part in place] == [int, str, str, str, str]
    assert not torch.is_tensor(Layers(s)(s))
