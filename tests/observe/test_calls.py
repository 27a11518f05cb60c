"""Specification of one output and its delta."""

import gc
import weakref

import pytest
import torch
from torch import Tensor

from ninja.observe.calls import Call, Look
from ninja.observe.nodes import Node
from ninja.observe.sums import SMALL, Sums
from ninja.rules import Tanh


class Ended:
    count = 0

    def __call__(self) -> None:
        self.count += 1


def noted(y: Tensor, node: Node | None = None, axis: int = -1) -> tuple[Call, Ended]:
    ended = Ended()
    return Look(None, ended).called(node or Node("n", "tanh", True, Tanh()), y, axis), ended


def made(*shape: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(shape, requires_grad=True)
    return x, x * 2


def test_the_delta_is_that_of_the_output() -> None:
    _, y = made(3, 4)
    call, ended = noted(y)
    (y * y).sum().backward()
    assert isinstance(call.delta, Tensor)
    assert torch.equal(call.delta, 2 * y.detach())
    assert ended.count == 1


def test_deltas_of_several_passes_add_up_and_each_has_its_end() -> None:
    _, y = made(3, 4)
    call, ended = noted(y)
    y.sum().backward(retain_graph=True)
    (3 * y).sum().backward()
    assert isinstance(call.delta, Tensor)
    assert call.delta.eq(4).all()
    assert ended.count == 2


def test_the_gradients_are_there_when_a_pass_has_ended() -> None:
    x, y = made(3, 4)
    seen: list[bool] = []
    look = Look(None, lambda: seen.append(x.grad is not None))
    look.called(Node("n", "linear"), y, -1)
    y.sum().backward()
    assert seen == [True]


def test_the_graph_of_a_gradient_is_not_the_losss() -> None:
    x, y = made(3, 4)
    call, ended = noted(y)
    torch.autograd.grad((y**3).sum(), x, create_graph=True)
    assert call.delta is None
    assert ended.count == 0


def test_a_large_output_is_reduced_at_once() -> None:
    _, y = made(2, SMALL)
    call, _ = noted(y)
    y.tanh().sum().backward()
    assert isinstance(call.value, Sums)
    assert call.value.crowd == (y.abs() > 0.97).sum().item()
    assert isinstance(call.delta, Sums)
    kept = weakref.ref(y)
    del y
    gc.collect()
    assert kept() is None


def test_a_large_one_that_nobody_asks_for_is_not() -> None:
    _, y = made(2, SMALL)
    call, _ = noted(y, Node("n", "linear"))
    assert call.output() is None
    assert not call.is_small()


def test_what_is_written_over_is_gone() -> None:
    _, y = made(3, 4)
    call, _ = noted(y)
    assert call.output() is not None
    y.add_(1)
    assert call.output() is None
    call.overwritten(torch.zeros(3, 4))  # too late
    assert call.output() is None


def test_but_not_if_it_was_copied_before() -> None:
    _, y = made(3, 4)
    call, _ = noted(y)
    call.overwritten(copy := y.detach().clone())
    y.relu_()
    assert call.output() is copy
    y.sum().backward()
    assert isinstance(call.delta, Tensor)
    assert torch.equal(call.delta, (copy > 0).float())  # of what it was before


@pytest.mark.parametrize("axis", [-1, -2, -3])
def test_features_come_last(axis: int) -> None:
    _, y = made(3, 4, 5)
    call, _ = noted(y, axis=axis)
    laid = call.laid(y)
    assert isinstance(laid, Tensor)
    assert laid.shape[-1] == y.shape[axis]


def test_nothing_is_waited_for_after_the_look() -> None:
    x, y = made(3, 4)
    look = Look(None, lambda: None)
    calls = [look.called(Node("n", "linear"), of, -1) for of in (x, y)]
    look.release()
    y.sum().backward()
    assert [call.delta for call in calls] == [None, None]
    assert not x._backward_hooks


@pytest.mark.parametrize("shape", [(3, 4), (2, SMALL)])
def test_the_gradients_of_many_outputs_at_once_are_no_deltas(shape: tuple[int, ...]) -> None:
    x, y = made(*shape)
    call, ended = noted(y)
    torch.autograd.grad(y, x, torch.ones(2, *shape), retain_graph=True, is_grads_batched=True)
    assert call.delta is None
    assert ended.count == 0


def test_a_tensor_is_known_by_itself_and_not_by_its_place_in_memory() -> None:
    look = Look(None, lambda: None)
    _, y = made(3, 4)
    call = look.called(Node("n", "linear"), y, -1)
    assert look.of(y) is call
    assert look.of(y.view(3, 4)) is None
    del y
    for _ in range(50):
        assert look.of(torch.empty(3, 4)) is None
