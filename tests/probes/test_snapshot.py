"""Specification of what a probe is given."""

import pytest
import torch

from ninja.config import OptimizerConfig, RunConfig
from ninja.init import Generators
from ninja.net import draw
from ninja.networks import build
from ninja.probes import copied
from tests.probes.steps import ENGINES, LR, VOCAB, begun, looked_at, normal, random_batch, variant


def test_a_copy_is_out_of_reach_of_the_update() -> None:
    params = {"00.embedding": {"C": normal(4, 3)}, "01.flatten": {}}
    before = copied(params)
    params["00.embedding"]["C"].add_(1.0)
    assert torch.equal(before["00.embedding"]["C"], normal(4, 3))
    assert before["01.flatten"] == {}


def test_a_copy_joins_no_graph() -> None:
    params = {"00.embedding": {"C": normal(4, 3).requires_grad_()}}
    assert not copied(params)["00.embedding"]["C"].requires_grad


@pytest.mark.parametrize("backward", ENGINES)
@pytest.mark.parametrize(
    ("optimizer", "sign"),
    [
        (OptimizerConfig(lr=LR), -1),
        (OptimizerConfig(lr=LR, clip=0.1), -1),
        (OptimizerConfig(lr=LR, momentum=0.9), -1),
        (OptimizerConfig("adamw", lr=LR), 1),  # the difference itself, at a rate of 1
    ],
)
def test_the_parameters_went_along_the_directions(
    optimizer: OptimizerConfig, sign: int, backward: str
) -> None:
    config = variant("none")
    net = build(config, VOCAB)
    batches = (random_batch(config, seed=seed) for seed in range(3))
    run = begun(
        net,
        draw(net, Generators.of(1), torch.float64),
        batches,
        RunConfig(backward=backward, optimizer=optimizer),
    )
    for _ in range(3):
        before = copied(run.params)
        s = looked_at(run)
        assert s.params is run.params  # nothing is copied
        assert (s.directions is s.deltas) == (optimizer == OptimizerConfig(lr=LR))
        for node, tensors in before.items():
            for key, tensor in tensors.items():
                expected = tensor + sign * s.rate * s.directions[node][key]
                torch.testing.assert_close(s.params[node][key], expected)
                assert not torch.equal(s.params[node][key], tensor)
