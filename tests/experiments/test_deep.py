"""Specification of untrained networks: what is passed is what autograd passes."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from experiments.deep import Deep, growth, normal, passed, seeds
from ninja.rules import BatchNorm


@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
@pytest.mark.parametrize("norm", [None, BatchNorm])
def test_deltas_are_those_of_torch(activation: str, norm: type[BatchNorm] | None) -> None:
    deep = Deep(3, 8, activation, 1.5, 0.2, norm=norm, batch=6)
    x, direction = normal(6, 8, 1).double(), normal(6, 8, 2).double()
    found = passed(deep, x, 3, direction)
    value, reads = x, []
    for layer in range(3):
        width = 2 if norm is None else 3
        tensors = found.trace.bound[f"{layer * width:04d}.linear"]
        value = (value @ tensors["W"] + tensors["b"]).requires_grad_()
        value.retain_grad()
        reads.append(value)
        if norm is not None:
            eps = found.net.nodes[1].rule.eps
            value = (value - value.mean(0)) / (value.var(0, unbiased=True) + eps).sqrt()
        value = {"tanh": torch.tanh, "relu": torch.relu, "identity": nn.Identity()}[activation](
            value
        )
    (value * direction).sum().backward()
    rms = [float(of.grad.square().mean().sqrt()) for of in reads]
    assert found.layers("linear", "delta_rms") == pytest.approx(rms, rel=1e-6)


def test_weights_have_their_variance() -> None:
    for orthogonal in (False, True):
        deep = Deep(1, 400, "tanh", 2.0, orthogonal=orthogonal)
        weights = passed(deep, normal(32, 400, 1), 1).trace.bound["0000.linear"]["W"]
        assert 400 * float(weights.square().mean()) == pytest.approx(2.0, rel=0.02)
        if orthogonal:
            assert torch.allclose(weights @ weights.mT, 2 * torch.eye(400), atol=1e-4)


def test_growth_is_the_factor_toward_the_input() -> None:
    squares = 3 * 0.8 ** np.arange(10)
    assert growth(squares[::-1], 2, 9) == pytest.approx(0.8)
    assert growth(squares, 1, 10) == pytest.approx(1 / 0.8)


def test_configurations_share_no_seed() -> None:
    drawn = [seed for of in range(20) for seed in seeds(of, 100)]
    assert len(set(drawn)) == len(drawn)
    assert math.isclose(float(normal(500, 500, 1, 4.0).var()), 4.0, rel_tol=0.02)
