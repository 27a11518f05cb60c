"""Specification of the nodes of a record and of their order."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ninja.observe.modules import Place
from ninja.observe.nodes import Nodes


def place(name: str, module: nn.Module) -> Place:
    return Place.of(module, name, None)


LINEAR, TANH = place("fc", nn.Linear(2, 2)), place("act", nn.Tanh())


def test_a_layer_is_one_node_and_an_activation_one_for_each_that_it_reads() -> None:
    nodes = Nodes()
    first = nodes.module(LINEAR, None)
    assert nodes.module(LINEAR, nodes.module(TANH, None)) is first
    one, two = (
        nodes.module(TANH, first),
        nodes.module(TANH, nodes.module(place("b", nn.ReLU()), None)),
    )
    assert nodes.module(TANH, first) is one
    assert [of.name for of in (first, one, two)] == ["fc", "act(fc)", "act(b)"]
    assert one.gate is not None
    assert first.gate is None


def test_a_function_is_called_as_it_is_written() -> None:
    nodes = Nodes()
    inner = nodes.module(place("block.fc", nn.Linear(2, 2)), None)
    assert nodes.function("block", "relu", inner).name == "block.relu(fc)"
    assert nodes.function("model", "tanh", inner).name == "tanh(block.fc)"
    assert nodes.function("block", "relu", None).name == "block.relu()"
    assert nodes.function("block", "relu", inner) is nodes.function("block", "relu", inner)
    assert nodes.read_by(inner).name == "block.fc.input"


def order(*looks: Sequence[str]) -> list[str]:
    nodes = Nodes()
    for names in looks:
        nodes.seen(names)
    return nodes.order


def test_depth_is_the_order_of_the_first_calls() -> None:
    assert order("abc", "abc") == ["a", "b", "c"]
    assert order("ac", "abc") == ["a", "b", "c"]  # one that was dropped at first
    assert order("bc", "ac", "abcd") == ["a", "b", "c", "d"]


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True), max_size=6))
def test_every_node_has_one_place(looks: list[list[str]]) -> None:
    found = order(*looks)
    assert sorted(found) == sorted({name for names in looks for name in names})


def test_what_was_never_called_lies_with_its_own() -> None:
    nodes = Nodes()
    for name in ("a.attention", "a.fc", "b"):
        nodes.module(place(name, nn.Linear(2, 2)), None)
    nodes.seen(["a.attention", "a.fc", "b"])
    owners = ("model", "a", "a.attention", "a.attention.out", "b", "b.unused", "gone")
    depths = nodes.depths(dict.fromkeys(owners, "kind"))
    assert list(depths) == [
        *("model", "a", "a.attention", "a.attention.out", "a.fc", "b", "b.unused", "gone")
    ]
    assert [depth for depth, _ in depths.values()] == list(range(8))
    assert depths["b"] == (5, "linear")
