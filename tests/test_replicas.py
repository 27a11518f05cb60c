"""Specification of stacks: a run in a stack is the run alone.

Bit for bit at the shapes of the lecture's networks, with one thread. It is a property of torch's
matrix library, which may add up a stack's products in another order than a single one's; so at
other shapes the difference is bounded, and the shapes that differ are listed: by `pytest -s`, and
in a JUnit report.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from ninja.agreement import gap
from ninja.batches import Batches
from ninja.config import ModelConfig, NetworkConfig
from ninja.data import load
from ninja.engines import engine, engines
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import PRESETS, build, with_hidden
from ninja.optim import sgd_
from ninja.replicas import repeated, stack, unstack
from ninja.types import Params

VOCAB, STEPS = 27, 20


# --- there and back ------------------------------------------------------------------------------


def small_runs(replicas: int) -> list[Params]:
    net = build(NetworkConfig(model=ModelConfig(n_hidden=8)), VOCAB)
    return [draw(net, Generators.of(seed)) for seed in range(replicas)]


def assert_equal(params: Params, expected: Params) -> None:
    assert {node: list(own) for node, own in params.items()} == {
        node: list(own) for node, own in expected.items()
    }
    for node, own in params.items():
        for key, tensor in own.items():
            assert torch.equal(tensor, expected[node][key]), f"{node}.{key}"


@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_unstack_gives_back_what_was_stacked(replicas: int) -> None:
    runs = small_runs(replicas)
    together = stack(runs)
    for replica, run in enumerate(runs):
        assert_equal(unstack(together, replica), run)


def test_a_stack_has_one_leading_dimension_more() -> None:
    (run, *_), together = small_runs(3), stack(small_runs(3))
    assert list(together) == list(run)  # nodes without parameters too
    for node, own in run.items():
        for key, tensor in own.items():
            assert together[node][key].shape == (3, *tensor.shape)


def test_a_stack_is_a_copy() -> None:
    runs = small_runs(2)
    stack(runs)["02.linear"]["W"].zero_()
    assert_equal(runs[0], small_runs(2)[0])


def test_an_unstacked_run_is_a_view() -> None:
    together = stack(small_runs(2))
    unstack(together, 1)["02.linear"]["W"].zero_()
    assert not together["02.linear"]["W"][1].any()
    assert_equal(unstack(together, 0), small_runs(2)[0])


# --- the promise ---------------------------------------------------------------------------------


class Run(NamedTuple):
    """Losses (STEPS, ...) and the last parameters."""

    losses: Tensor
    params: Params


def train(net: Net, config: NetworkConfig, batch_size: int, backward: str, dtype: torch.dtype):
    """A function that trains the runs of some seeds as a stack, and one that trains a single."""
    examples, pull = load(block_size=config.block_size).train, engine(backward)

    def loop(params: Params, batches: Batches) -> Run:
        losses: list[Tensor] = []
        for _ in range(STEPS):
            trace = net.forward(params, next(batches), graph=pull.graph)
            losses.append(trace.loss.detach().clone())
            sgd_(params, pull(net, trace).deltas, lr=0.1)
        return Run(torch.stack(losses), params)

    def together(seeds: range) -> Run:
        generators = [Generators.of(seed) for seed in seeds]
        params = stack([draw(net, own, dtype) for own in generators])
        return loop(params, Batches(examples, batch_size, [own.run for own in generators]))

    def alone(seed: int) -> Run:
        generators = Generators.of(seed)
        params = draw(net, generators, dtype)
        return loop(params, Batches(examples, batch_size, generators.run))

    return together, alone


def assert_promise_kept(config: NetworkConfig, backward: str, replicas: int) -> None:
    """Bit-identical losses and parameters, whether alone or in a stack."""
    together, alone = train(build(config, VOCAB), config, 32, backward, torch.float32)
    seeds = range(1, 1 + replicas)
    stacked = together(seeds)
    for replica, seed in enumerate(seeds):
        single = alone(seed)
        assert stacked.losses[:, replica].tolist() == single.losses.tolist()
        assert_equal(unstack(stacked.params, replica), single.params)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("hidden", [None, 64, 200])
@pytest.mark.parametrize("backward", engines())
def test_a_run_in_a_stack_is_the_run_alone(preset: str, hidden: int | None, backward: str) -> None:
    config = PRESETS[preset]
    if hidden is not None:
        config = with_hidden(config, hidden)
    assert_promise_kept(config, backward, replicas=4)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("replicas", [1, 2, 16])
def test_so_it_is_in_a_stack_of_any_size(preset: str, replicas: int) -> None:
    assert_promise_kept(PRESETS[preset], "manual_fused", replicas)


def test_runs_of_different_seeds_differ() -> None:
    """Otherwise the promise would be kept by a stack of copies."""
    config = PRESETS["lecture_manual"]
    together, _ = train(build(config, VOCAB), config, 32, "manual_fused", torch.float32)
    losses = together(range(4)).losses
    assert len(set(losses[0].tolist())) == 4


# --- at other shapes -----------------------------------------------------------------------------


class Shape(NamedTuple):
    """A shape of two hidden layers that the lecture does not have."""

    n_embd: int
    n_hidden: int
    batch_size: int
    replicas: int


def drawn_shapes(count: int) -> list[Shape]:
    rng = random.Random(42)
    return [
        Shape(
            rng.randint(2, 32),
            rng.randint(16, 256),
            rng.randint(16, 96),
            rng.choice([2, 3, 4, 8]),
        )
        for _ in range(count)
    ]


KNOWN_TO_DIFFER = [Shape(2, 215, 71, 16), Shape(2, 293, 17, 8)]  # in float32, with torch 2.13
BOUND = {torch.float32: 1e-6, torch.float64: 1e-14}


@pytest.mark.parametrize("shape", [*drawn_shapes(12), *KNOWN_TO_DIFFER], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_elsewhere_it_is_equal_or_next_to_it(
    shape: Shape, dtype: torch.dtype, record_property: Callable[[str, object], None]
) -> None:
    config = NetworkConfig(model=ModelConfig(shape.n_embd, shape.n_hidden, 2))
    net = build(config, VOCAB)
    together, alone = train(net, config, shape.batch_size, "manual_fused", dtype)
    stacked = together(range(shape.replicas))
    runs = [alone(seed) for seed in range(shape.replicas)]

    losses = torch.stack([run.losses for run in runs], dim=1)
    loss_apart = ((stacked.losses - losses).abs() / losses).max().item()
    params = stack([run.params for run in runs])
    params_apart = gap(stacked.params, params, params, lead=1).max().item()
    if loss_apart or params_apart:
        told = f"losses {loss_apart:.1e}, parameters {params_apart:.1e} apart"
        print(f"{shape} {dtype}: {told}")
        record_property(f"differs: {shape} {dtype}", told)
    assert loss_apart <= BOUND[dtype]
    assert params_apart <= BOUND[dtype]


def test_a_repeated_run_is_every_replica_without_a_copy() -> None:
    (run,) = small_runs(1)
    together = repeated(run, 3)
    for replica in range(3):
        assert_equal(unstack(together, replica), run)
    run["02.linear"]["W"].zero_()
    assert not together["02.linear"]["W"].any()
