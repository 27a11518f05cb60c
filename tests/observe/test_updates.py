"""Specification of what is taken of the parameters, and when."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, Optimizer

from ninja.observe.modules import Modules
from ninja.observe.updates import Updates, _rate
from tests.observe.trainings import mlp

X = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


def listening(model: nn.Module, *optimizers: Optimizer) -> Updates:
    modules = Modules(model)
    modules.read()
    updates = Updates(modules, optimizers)
    updates.start()
    updates.read()
    return updates


def test_the_weights_before_and_the_rate_of_the_step() -> None:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.5)
    updates = listening(model, optimizer)
    updates.arm()
    (group,) = updates.groups
    assert [one.tensor.numel() for one in group.members] == sorted(
        p.numel() for p in model.parameters()
    )
    weights = [one.tensor.detach().clone() for one in group.matrices]
    model(X).sum().backward()
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 9.0
    assert group.before is not None
    assert all(map(torch.equal, group.before, weights))
    seen = updates.seen(3)
    assert (seen.step, seen.lr, seen.scale, seen.stepped) == (3, 0.5, 1.0, True)
    for one, before in group.moved():
        assert one.tensor.grad is not None
        torch.testing.assert_close(before - one.tensor, 0.5 * one.tensor.grad)
    updates.stop()
    assert not optimizer._optimizer_step_pre_hooks


def test_of_two_steps_the_first_weights_count() -> None:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.5)
    updates = listening(model, optimizer)
    updates.arm()
    first = model[0].weight.detach().clone()
    for _ in range(2):
        model(X).sum().backward()
        optimizer.step()
    before = {one.name: old for one, old in updates.groups[0].moved()}
    assert torch.equal(before["0", "weight"], first)
    updates.stop()


def test_nothing_is_taken_between_due_steps() -> None:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.5)
    updates = listening(model, optimizer)
    model(X).sum().backward()
    optimizer.step()
    updates.note()
    assert updates.groups[0].before is None
    assert not updates.groups[0].noted
    assert not updates.seen(0).stepped
    assert math.isnan(updates.seen(0).lr)
    updates.stop()


def test_each_parameter_has_the_optimizer_that_trains_it() -> None:
    model = mlp()
    optimizers = SGD(model[0].parameters(), lr=0.5), Adam(model[2].parameters(), lr=0.1)
    updates = listening(model, *optimizers)
    assert [group.optimizer for group in updates.groups] == [*optimizers, None]
    assert [len(group.members) for group in updates.groups] == [2, 2, 2]
    updates.arm()
    assert [group.before is not None for group in updates.groups] == [False, False, True]
    model(X).sum().backward()
    optimizers[0].step()
    held = updates.groups[0].graded
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    updates.note()  # a second pass, after the first optimizer has moved
    assert updates.groups[0].graded is held
    assert updates.groups[0].grads[0].square > 0
    assert updates.groups[1].grads[0].square == 0
    updates.stop()


def test_frozen_parameters_and_those_without_gradient() -> None:
    model = mlp()
    model[0].weight.requires_grad_(False)
    optimizer = SGD(model.parameters(), lr=0.5)
    updates = listening(model, optimizer)
    updates.arm()
    model[2](torch.ones(1, 8)).sum().backward()
    optimizer.step()
    (group,) = updates.groups
    assert {one.name for one in group.members} >= {("0", "bias"), ("4", "weight")}
    assert ("0", "weight") not in {one.name for one in group.members}
    assert {one.name for one in group.graded} == {("2", "weight"), ("2", "bias")}
    assert [one.name for one, _ in group.moved()] == [("2", "weight")]
    updates.stop()


@pytest.mark.parametrize(
    ("rates", "largest"), [((0.1, 0.2), 0.2), ((None, 0.1), 0.1), ((None, None), math.nan)]
)
def test_the_largest_rate_of_those_that_are_known(
    rates: tuple[float | None, float | None], largest: float
) -> None:
    model = nn.Linear(2, 2)
    optimizer = SGD([{"params": [model.weight]}, {"params": [model.bias]}], lr=0.1)
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    assert _rate(optimizer) == pytest.approx(largest, nan_ok=True)


def test_sparse_gradients() -> None:
    table = nn.Embedding(9, 4, sparse=True)
    optimizer = SGD(table.parameters(), lr=0.5)
    updates = listening(table, optimizer)
    updates.arm()
    table(torch.tensor([1, 1, 5])).pow(2).sum().backward()
    assert table.weight.grad is not None
    optimizer.step()
    (group,) = updates.groups
    assert not group.dense
    dense = table.weight.grad.to_dense()
    assert group.grads[0].square == pytest.approx(dense.square().sum().item(), rel=1e-5)
    updates.stop()


@pytest.mark.parametrize("unscale", [False, True])
def test_the_scaler_is_known_by_its_step(unscale: bool) -> None:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    updates = listening(model, optimizer)
    updates.arm()
    scaler.scale(model(X).sum()).backward()
    updates.note()
    if unscale:
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update(2.0)
    assert updates.seen(0).scale == 8.0
    updates.stop()


def test_without_a_scaler_there_is_no_scale() -> None:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.5)
    torch.optim.lr_scheduler.StepLR(optimizer, 1)  # wraps the step
    updates = listening(model, optimizer)
    updates.arm()
    model(X).sum().backward()
    updates.note()
    optimizer.step()
    assert updates.seen(0).scale == 1.0
    updates.stop()


def test_in_the_fast_lane_arrays_are_filled() -> None:
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.5)
    updates = listening(model, optimizer)
    (group,) = updates.groups
    arrays = [one.tensor.detach().numpy() for one in group.matrices]
    room = [(np.empty_like(array), array) for array in arrays]
    updates.arm([room])
    weights = [one.tensor.detach().clone() for one in group.matrices]
    model(X).sum().backward()
    optimizer.step()
    for (before, _), weight in zip(room, weights, strict=True):
        assert torch.equal(torch.from_numpy(before), weight)
    assert group.squares is not None
    grads = [one.tensor.grad for one in group.members]
    squares = [grad.square().sum().item() for grad in grads if grad is not None]
    assert group.squares == pytest.approx(squares, rel=1e-5)
    model.zero_grad()
    updates.arm([room])
    updates.note()
    assert group.squares is None  # one was missing
    updates.stop()
