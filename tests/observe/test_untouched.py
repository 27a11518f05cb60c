"""Specification of what comes out as it went in."""

import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ninja.observe.untouched import untouched


class Net(nn.Module):
    """Everything that a forward may change."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.fc = nn.BatchNorm1d(3), nn.Linear(3, 3)
        self.dropout = nn.Dropout(0.5)
        self.register_buffer("seen", torch.zeros(()), persistent=False)
        self.count, self.last = 0, None

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        self.last = x
        self.seen = self.seen + 1
        self.extra = x.mean()
        with torch.no_grad():
            self.fc.weight.mul_(1.01)
        random.random()
        np.random.rand()
        return self.dropout(self.fc(self.norm(x)))


def change(net: Net) -> None:
    net(torch.randn(4, 3)).sum().backward()
    net.eval()
    net.fc.bias.requires_grad_(False)
    net.fc.weight = nn.Parameter(torch.zeros(3, 3))
    net.register_buffer("another", torch.zeros(2))
    net.norm = nn.Identity()  # type: ignore[assignment]
    del net.dropout


@pytest.mark.parametrize("fails", [False, True])
def test_a_model_and_the_generators(fails: bool) -> None:
    net = Net()
    net.fc.weight.grad = torch.ones(3, 3)
    net.norm.eval()
    bits = {name: value.clone() for name, value in net.state_dict().items()}
    objects = dict(net.named_parameters()), dict(net.named_buffers()), dict(net.named_modules())
    grad = net.fc.weight.grad
    state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        with untouched(net):
            change(net)
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert fails
    assert all(torch.equal(value, bits[name]) for name, value in net.state_dict().items())
    after = dict(net.named_parameters()), dict(net.named_buffers()), dict(net.named_modules())
    for found, before in zip(after, objects, strict=True):
        assert list(found) == list(before)
        assert all(found[name] is before[name] for name in before)
    assert net.fc.weight.grad is grad
    assert grad.eq(1).all()
    assert net.fc.bias.grad is None
    assert all(p.requires_grad for p in net.parameters())
    assert (net.training, net.norm.training, net.count, net.last) == (True, False, 0, None)
    assert not hasattr(net, "extra")
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.array_equal(np.random.get_state()[1], state[1][1])
    assert random.getstate() == state[2]


def test_what_did_not_change_is_not_written() -> None:
    net = nn.Linear(2, 2)
    version = net.weight._version
    with untouched(net):
        net(torch.zeros(1, 2)).sum().backward()
    assert net.weight._version == version
    assert net.weight.grad is None
