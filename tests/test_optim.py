"""Specification of the update by hand: torch's plain SGD, bit for bit."""

import pytest
import torch
from torch import Tensor

from ninja.config import ModelConfig, NetworkConfig
from ninja.engines import engine
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import build
from ninja.optim import sgd_
from ninja.types import Batch, Deltas, Params


def small_net() -> Net:
    return build(NetworkConfig(model=ModelConfig(n_hidden=16, n_layers=2)), vocab_size=27)


def batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    tokens, targets = (torch.randint(0, 27, shape, generator=generator) for shape in ((8, 3), (8,)))
    return Batch(tokens, targets)


def copied(params: Params) -> Params:
    return {node: {key: t.clone() for key, t in own.items()} for node, own in params.items()}


def tensors(params: Params) -> list[Tensor]:
    return [tensor for own in params.values() for tensor in own.values()]


def step(dtype: torch.dtype = torch.float32) -> tuple[Params, Deltas]:
    """The first parameters of a small network, and their deltas on one batch."""
    net = small_net()
    params = draw(net, Generators.of(1), dtype)
    return params, engine("manual_fused")(net, net.forward(params, batch(1))).deltas


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lr", [0.1, 0.01, 1 / 3])
def test_it_is_torchs_sgd_bit_for_bit(dtype: torch.dtype, lr: float) -> None:
    net, pull = small_net(), engine("manual_atomic")
    params = draw(net, Generators.of(1), dtype)
    torchs = copied(params)
    optimiser = torch.optim.SGD(tensors(torchs), lr=lr)
    for seed in range(10):
        sgd_(params, pull(net, net.forward(params, batch(seed))).deltas, lr)
        deltas = pull(net, net.forward(torchs, batch(seed))).deltas
        for node, own in torchs.items():
            for key, tensor in own.items():
                tensor.grad = deltas[node][key]
        optimiser.step()
        assert all(map(torch.equal, tensors(params), tensors(torchs)))


def test_it_is_the_line_of_the_lecture() -> None:
    params, deltas = step()
    expected = {
        node: {key: p + -0.1 * deltas[node][key] for key, p in own.items()}
        for node, own in params.items()
    }
    sgd_(params, deltas, lr=0.1)
    for tensor, by_hand in zip(tensors(params), tensors(expected), strict=True):
        torch.testing.assert_close(tensor, by_hand)


def test_it_moves_every_parameter_in_place() -> None:
    params, deltas = step()
    before, places = copied(params), [tensor.data_ptr() for tensor in tensors(params)]
    sgd_(params, deltas, lr=0.1)
    assert [tensor.data_ptr() for tensor in tensors(params)] == places
    for node, own in params.items():
        for key, tensor in own.items():
            assert torch.equal(tensor, before[node][key]) == (not deltas[node][key].any()), key


def test_a_rate_of_zero_moves_nothing() -> None:
    params, deltas = step()
    before = copied(params)
    sgd_(params, deltas, lr=0.0)
    assert all(map(torch.equal, tensors(params), tensors(before)))


def test_the_deltas_stay_as_they_are_those_of_intermediates_too() -> None:
    params, deltas = step()
    before = copied(deltas)
    assert len(tensors(deltas)) > len(tensors(params))
    sgd_(params, deltas, lr=0.1)
    assert all(map(torch.equal, tensors(deltas), tensors(before)))


def test_a_tensor_next_to_the_parameters_is_left_alone() -> None:
    """Two runs that lie in one stretch of memory: a step of one is not a step of the other."""
    both = torch.ones(2, 3)
    sgd_({"n": {"w": both[0]}}, {"n": {"w": torch.ones(3)}}, lr=0.5)
    assert both.tolist() == [[0.5] * 3, [1.0] * 3]


def test_autograd_records_no_step() -> None:
    leaf = torch.ones(3, requires_grad=True)
    sgd_({"n": {"w": leaf}}, {"n": {"w": torch.ones(3)}}, lr=0.5)
    assert leaf.is_leaf
    assert leaf.grad is None
    assert leaf.tolist() == [0.5] * 3
