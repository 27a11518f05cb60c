"""Specification of the update by hand: torch's SGD, AdamW and clipping, bit for bit."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ninja.config import ModelConfig, NetworkConfig, OptimizerConfig
from ninja.engines import engine
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import build
from ninja.optim import State, clipped, grad_norm, learning_rate, sgd_, start, update_
from ninja.replicas import stack, unstack
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


# --- the learning rate ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 1.0), (9, 1.0), (10, 0.5), (11, 0.5), (19, 0.5), (20, 2.0), (999, 2.0)]
)
def test_the_last_boundary_that_was_reached_counts(step: int, factor: float) -> None:
    for schedule in ({10: 0.5, 20: 2.0}, {20: 2.0, 10: 0.5}):  # in whatever order it was written
        assert (
            learning_rate(OptimizerConfig(lr=0.3, lr_schedule=tuple(schedule.items())), step)
            == 0.3 * factor
        )


def test_without_boundaries_the_rate_stays() -> None:
    assert {learning_rate(OptimizerConfig(lr=0.3), step) for step in (0, 1, 10**6)} == {0.3}


def test_a_boundary_at_the_first_step_counts_from_there() -> None:
    config = OptimizerConfig(lr=0.3, lr_schedule=((0, 0.1), (5, 0.0)))
    assert learning_rate(config, 0) == 0.3 * 0.1
    assert learning_rate(config, 5) == 0.0


# --- SGD with momentum, and AdamW ----------------------------------------------------------------

STEPS = 12
CONFIGS = {
    "sgd": OptimizerConfig(lr=0.1),
    "momentum": OptimizerConfig(lr=0.1, momentum=0.9),
    "momentum of a third": OptimizerConfig(lr=1 / 3, momentum=1 / 3),
    "adamw": OptimizerConfig("adamw", lr=0.01),
    "adamw, no decay": OptimizerConfig("adamw", lr=0.01, weight_decay=0.0),
    "adamw, all else": OptimizerConfig(
        "adamw", lr=1 / 3, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.3
    ),
    "adamw, no memory": OptimizerConfig("adamw", lr=0.01, betas=(0.0, 0.0)),
}
every_config = pytest.mark.parametrize("name", CONFIGS)
both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])

# Sizes that fill no vector of the processor, a parameter without dimension, a node without any.
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "1": {"W": (27, 10), "b": (1,)},
    "2": {},
    "3": {"W": (13, 17), "b": (5,), "gamma": (1, 64)},
    "4": {"W": (200, 27), "scale": ()},
}


def drawn(seed: int, lead: tuple[int, ...], dtype: torch.dtype, scale: float = 1.0) -> Params:
    generator = torch.Generator().manual_seed(seed)
    return {
        node: {
            key: scale * torch.randn((*lead, *shape), generator=generator, dtype=dtype)
            for key, shape in own.items()
        }
        for node, own in SHAPES.items()
    }


def gradient(step: int, lead: tuple[int, ...], dtype: torch.dtype) -> Deltas:
    """Of another size at every step, with zeros, and with more than the parameters'."""
    deltas = drawn(100 + step, lead, dtype, scale=10.0 ** (-step % 5))
    deltas["3"]["b"].zero_()
    return deltas | {node: own | {"y": torch.ones(3)} for node, own in deltas.items()}


def of_torch(config: OptimizerConfig, params: Params, foreach: bool) -> torch.optim.Optimizer:
    if config.name == "adamw":
        return torch.optim.AdamW(
            tensors(params),
            lr=config.lr,
            betas=config.betas,
            eps=config.eps,
            weight_decay=config.weight_decay,
            foreach=foreach,
        )
    return torch.optim.SGD(tensors(params), lr=config.lr, momentum=config.momentum, foreach=foreach)


def give(params: Params, deltas: Deltas) -> None:
    """As torch's optimisers and clipping take them."""
    for node, own in params.items():
        for key, tensor in own.items():
            tensor.grad = deltas[node][key].clone()


def assert_same(params: Params, expected: Params) -> None:
    for node, own in expected.items():
        for key, tensor in own.items():
            assert torch.equal(params[node][key], tensor), f"{node}.{key}"


def run(
    config: OptimizerConfig,
    lead: tuple[int, ...] = (),
    dtype: torch.dtype = torch.float32,
    lr: Callable[[int], float | Tensor] | None = None,
    gradients: Callable[[int], Deltas] | None = None,
) -> tuple[Params, State]:
    """Params and state after all steps."""
    params = drawn(1, lead, dtype)
    state = start(config, params)
    for step in range(STEPS):
        deltas = gradients(step) if gradients else gradient(step, lead, dtype)
        rate = lr(step) if lr else learning_rate(config, step)
        update_(config, params, deltas, state, rate, step)
    return params, state


@every_config
@both_dtypes
@pytest.mark.parametrize("foreach", [False, True])
def test_it_is_torchs_optimiser_bit_for_bit(name: str, dtype: torch.dtype, foreach: bool) -> None:
    """At every step, across a boundary of the schedule, in all that it remembers."""
    config = replace(CONFIGS[name], lr_schedule=((7, 0.1),))
    params = drawn(1, (), dtype)
    torchs, state = copied(params), start(config, params)
    optimiser = of_torch(config, torchs, foreach)
    for step in range(STEPS):
        lr = learning_rate(config, step)
        update_(config, params, gradient(step, (), dtype), state, lr, step)
        give(torchs, gradient(step, (), dtype))
        optimiser.param_groups[0]["lr"] = lr
        optimiser.step()
        assert_same(params, torchs)
        for kept, own in state.items():
            theirs = [optimiser.state[tensor][kept] for tensor in tensors(torchs)]
            assert all(map(torch.equal, tensors(own), theirs)), kept


@every_config
@both_dtypes
@pytest.mark.parametrize("replicas", [1, 3])
def test_so_is_every_replica_of_a_stack(name: str, dtype: torch.dtype, replicas: int) -> None:
    config = CONFIGS[name]
    params, _ = run(config, (replicas,), dtype)
    for replica in range(replicas):
        torchs = copied(unstack(drawn(1, (replicas,), dtype), replica))
        optimiser = of_torch(config, torchs, foreach=False)
        for step in range(STEPS):
            give(torchs, of_replica(gradient(step, (replicas,), dtype), replica))
            optimiser.step()
        assert_same(unstack(params, replica), torchs)


def of_replica(deltas: Deltas, replica: int) -> Deltas:
    return {node: {key: deltas[node][key][replica] for key in own} for node, own in SHAPES.items()}


@every_config
@both_dtypes
def test_replicas_with_rates_of_their_own_are_separate_runs(name: str, dtype: torch.dtype) -> None:
    config, rates = CONFIGS[name], [0.1, 1 / 3, 1e-3, 0.0]
    lead = (len(rates),)

    def scheduled(rate: float, step: int) -> float:
        return learning_rate(replace(config, lr=rate, lr_schedule=((7, 0.1),)), step)

    def each(step: int) -> Tensor:
        return torch.tensor([scheduled(rate, step) for rate in rates], dtype=torch.float64)

    together, remembered = run(config, lead, dtype, lr=each)
    for replica, rate in enumerate(rates):
        params = copied(unstack(drawn(1, lead, dtype), replica))
        state = start(config, params)
        for step in range(STEPS):
            deltas = of_replica(gradient(step, lead, dtype), replica)
            update_(config, params, deltas, state, scheduled(rate, step), step)
        assert_same(unstack(together, replica), params)
        for kept, own in state.items():
            assert_same(unstack(remembered[kept], replica), own)


@every_config
def test_a_rate_may_be_a_tensor_for_a_single_run_too(name: str) -> None:
    config = CONFIGS[name]
    params, _ = run(config, lr=lambda _: torch.tensor(config.lr, dtype=torch.float64))
    assert_same(params, run(config)[0])


def test_plain_sgd_is_the_update_of_the_lecture() -> None:
    params, deltas = step()
    expected = copied(params)
    sgd_(expected, deltas, lr=0.1)
    update_(OptimizerConfig(), params, deltas, {}, lr=0.1, step=0)
    assert_same(params, expected)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_the_first_step_of_adamw_is_the_rate_whatever_the_gradient(size: float) -> None:
    config = OptimizerConfig("adamw", weight_decay=0.0)
    params = {"n": {"w": torch.zeros(3)}}
    deltas = {"n": {"w": torch.tensor([size, -size, 0.0])}}
    update_(config, params, deltas, start(config, params), lr=0.1, step=0)
    # eps, of 1e-8, over the smallest gradient
    torch.testing.assert_close(params["n"]["w"], torch.tensor([-0.1, 0.1, 0.0]), rtol=2e-5, atol=0)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("sgd", []),
        ("momentum", ["momentum_buffer"]),
        ("adamw", ["exp_avg", "exp_avg_sq"]),
    ],
)
@both_dtypes
def test_it_starts_from_zeros_like_the_parameters(
    name: str, kept: list[str], dtype: torch.dtype
) -> None:
    params = drawn(1, (2,), dtype)
    for tensor in tensors(params):
        tensor.requires_grad_()
    state = start(CONFIGS[name], params)
    assert list(state) == kept
    for own in state.values():
        assert {node: list(named) for node, named in own.items()} == {
            node: list(named) for node, named in params.items()
        }
        for remembered, tensor in zip(tensors(own), tensors(params), strict=True):
            assert remembered.shape == tensor.shape
            assert remembered.dtype == dtype
            assert not remembered.any()
            assert not remembered.requires_grad


@every_config
@pytest.mark.parametrize("lead", [(), (3,)])
def test_saved_and_loaded_it_continues_as_if_nothing_had_been(
    name: str, lead: tuple[int, ...]
) -> None:
    config = CONFIGS[name]
    params = drawn(1, lead, torch.float32)
    state = start(config, params)
    for step in range(STEPS):
        if step == STEPS // 2:
            file = io.BytesIO()
            torch.save({"params": params, "state": state}, file)
            file.seek(0)
            loaded = torch.load(file, weights_only=True)
            params, state = loaded["params"], loaded["state"]
        update_(config, params, gradient(step, lead, torch.float32), state, config.lr, step)
    expected, remembered = run(config, lead)
    assert_same(params, expected)
    assert list(state) == list(remembered)
    for kept, own in remembered.items():
        assert_same(state[kept], own)


@every_config
def test_only_params_and_state_change_and_they_in_place(name: str) -> None:
    config, rate = CONFIGS[name], torch.tensor([0.1, 0.2], dtype=torch.float64)
    params, deltas = drawn(1, (2,), torch.float32), gradient(1, (2,), torch.float32)
    state = start(config, params)
    before, changing = copied(deltas), [params, *state.values()]
    places = [tensor.data_ptr() for own in changing for tensor in tensors(own)]
    update_(config, params, deltas, state, rate, step=0)
    assert [tensor.data_ptr() for own in changing for tensor in tensors(own)] == places
    assert list(deltas) == list(before)
    assert all(map(torch.equal, tensors(deltas), tensors(before)))
    assert rate.tolist() == [0.1, 0.2]
    for own in state.values():  # the gradient is not handed on as the state
        assert all(t.data_ptr() != d.data_ptr() for t in tensors(own) for d in tensors(deltas))


@every_config
@pytest.mark.parametrize("rate", [0.1, torch.tensor(0.1)])
def test_autograd_records_none_of_it(name: str, rate: float | Tensor) -> None:
    config, params = CONFIGS[name], drawn(1, (), torch.float32)
    for tensor in tensors(params):
        tensor.requires_grad_()
    state = start(config, params)
    update_(config, params, gradient(1, (), torch.float32), state, rate, step=0)
    assert all(tensor.is_leaf for tensor in tensors(params))
    assert not any(tensor.requires_grad for own in state.values() for tensor in tensors(own))


@every_config
def test_a_replica_that_is_not_finite_is_alone_with_it(name: str) -> None:
    config, lead = CONFIGS[name], (3,)

    def broken(step: int) -> Deltas:
        deltas = gradient(step, lead, torch.float32)
        if step == 2:
            deltas["1"]["W"][1, 0, 0] = torch.inf
            deltas["4"]["scale"][1] = torch.nan
        return deltas

    params, state = run(config, lead, gradients=broken)
    healthy, remembered = run(config, lead)
    assert not params["4"]["scale"][1].isfinite()
    for replica in (0, 2):
        assert_same(unstack(params, replica), unstack(healthy, replica))
        for kept, own in remembered.items():
            assert_same(unstack(state[kept], replica), unstack(own, replica))


@every_config
@pytest.mark.parametrize("backward", ["autograd", "manual_fused"])
def test_it_learns_from_the_deltas_of_any_engine(name: str, backward: str) -> None:
    config = replace(CONFIGS[name], lr=0.01)
    net, pull = small_net(), engine(backward)
    params = stack([draw(net, Generators.of(seed)) for seed in (1, 2)])
    state, losses = start(config, params), []
    both = Batch(*(torch.stack(parts) for parts in zip(batch(1), batch(2), strict=True)))
    for step in range(STEPS):
        trace = net.forward(params, both, graph=pull.graph)
        losses.append(trace.loss.detach().clone())
        deltas, _ = clipped(params, pull(net, trace).deltas, 1.0, lead=1)
        update_(config, params, deltas, state, config.lr, step)
    assert (losses[-1] < losses[0]).all()


# --- clipping ------------------------------------------------------------------------------------


def clipped_by_torch(deltas: Deltas, limit: float) -> tuple[Deltas, Tensor]:
    params = {
        node: {key: torch.zeros_like(deltas[node][key]) for key in own}
        for node, own in SHAPES.items()
    }
    give(params, deltas)
    norm = torch.nn.utils.clip_grad_norm_(tensors(params), limit)
    grads = {
        node: {key: tensor.grad for key, tensor in own.items() if tensor.grad is not None}
        for node, own in params.items()
    }
    return grads, norm


def uneven(lead: tuple[int, ...], dtype: torch.dtype) -> Deltas:
    """A replica's norm is twice that of the one before; the single one's is that of the first."""
    deltas = gradient(0, lead, dtype)
    for node, own in SHAPES.items() if lead else ():
        for key, shape in own.items():
            factors = 2.0 ** torch.arange(lead[0], dtype=dtype)
            deltas[node][key] = deltas[node][key] * factors.view(-1, *(1 for _ in shape))
    return deltas


@both_dtypes
@pytest.mark.parametrize("share", [1e-3, 0.5, 0.999, 1.001, 3.0, 1e3])
def test_it_clips_as_torch_does_bit_for_bit(dtype: torch.dtype, share: float) -> None:
    params, deltas = drawn(1, (), dtype), uneven((), dtype)
    limit = share * grad_norm(params, deltas, lead=0).item()
    found, norm = clipped(params, deltas, limit, lead=0)
    expected, torchs_norm = clipped_by_torch(deltas, limit)
    assert torch.equal(norm, torchs_norm)
    assert_same(found, expected)
    if share > 1:
        assert_same(found, of_parameters(deltas))


def of_parameters(deltas: Deltas) -> Deltas:
    return {node: {key: deltas[node][key] for key in own} for node, own in SHAPES.items()}


@both_dtypes
@pytest.mark.parametrize("replicas", [1, 2, 5])
@pytest.mark.parametrize("share", [1e-3, 0.5, 1.5, 1e3])
def test_so_it_clips_every_replica_of_a_stack(
    dtype: torch.dtype, replicas: int, share: float
) -> None:
    """A limit between the norms clips some and leaves the others."""
    params, deltas = drawn(1, (replicas,), dtype), uneven((replicas,), dtype)
    limit = share * grad_norm(params, deltas, lead=1)[0].item()
    found, norms = clipped(params, deltas, limit, lead=1)
    assert norms.shape == (replicas,)
    for replica in range(replicas):
        expected, norm = clipped_by_torch(of_replica(deltas, replica), limit)
        assert torch.equal(norms[replica], norm)
        assert_same(unstack(found, replica), expected)


@both_dtypes
def test_replicas_may_have_limits_of_their_own(dtype: torch.dtype) -> None:
    params, deltas = drawn(1, (3,), dtype), uneven((3,), dtype)
    limits = [0.1, 1 / 3, 1e9]
    found, _ = clipped(params, deltas, torch.tensor(limits, dtype=torch.float64), lead=1)
    for replica, limit in enumerate(limits):
        expected, _ = clipped_by_torch(of_replica(deltas, replica), limit)
        assert_same(unstack(found, replica), expected)


@both_dtypes
@pytest.mark.parametrize("lead", [(), (3,)])
def test_the_norm_is_that_of_all_elements_in_one_row(
    dtype: torch.dtype, lead: tuple[int, ...]
) -> None:
    params, deltas = drawn(1, lead, dtype), uneven(lead, dtype)
    parts = [deltas[node][key].double() for node, own in SHAPES.items() for key in own]
    whole = torch.cat([part.reshape(*lead, -1) for part in parts], dim=-1)
    norm = grad_norm(params, deltas, len(lead))
    assert norm.dtype == dtype
    torch.testing.assert_close(norm.double(), whole.square().sum(-1).sqrt(), rtol=1e-6, atol=0)


@both_dtypes
@pytest.mark.parametrize("share", [0.01, 0.5])
def test_what_was_clipped_has_the_limit_for_its_norm(dtype: torch.dtype, share: float) -> None:
    params, deltas = drawn(1, (3,), dtype), uneven((3,), dtype)
    limit = share * grad_norm(params, deltas, lead=1)[0].item()
    norm = grad_norm(params, clipped(params, deltas, limit, lead=1)[0], lead=1)
    # 1e-6 of it is added to the norm; the rest is rounding
    torch.testing.assert_close(norm, torch.full((3,), limit, dtype=dtype), rtol=2e-6, atol=0)


@pytest.mark.parametrize("lead", [(), (2,)])
def test_zero_gradients_stay_zero(lead: tuple[int, ...]) -> None:
    params = drawn(1, lead, torch.float32)
    found, norm = clipped(params, drawn(1, lead, torch.float32, scale=0.0), 1.0, len(lead))
    assert norm.shape == lead
    assert not norm.any()
    assert not any(tensor.any() for tensor in tensors(found))


@both_dtypes
@pytest.mark.parametrize("bad", [torch.inf, -torch.inf, torch.nan])
def test_a_norm_that_is_not_finite_clips_nobody_else(dtype: torch.dtype, bad: float) -> None:
    params, deltas = drawn(1, (3,), dtype), uneven((3,), dtype)
    deltas["3"]["W"][1, 4, 4] = bad
    found, norms = clipped(params, deltas, 1.0, lead=1)
    for replica in range(3):
        expected, norm = clipped_by_torch(of_replica(deltas, replica), 1.0)
        assert norm.isfinite() == (replica != 1)
        torch.testing.assert_close(norms[replica], norm, rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(
            tensors(unstack(found, replica)), tensors(expected), rtol=0, atol=0, equal_nan=True
        )


@pytest.mark.parametrize("lead", [0, 1])
def test_only_the_parameters_deltas_count_and_return(lead: int) -> None:
    params, deltas = drawn(1, (2,) * lead, torch.float32), gradient(0, (2,) * lead, torch.float32)
    expected, norm = clipped(params, of_parameters(deltas), 1.0, lead)
    deltas["2"]["y"] = torch.full((7,), torch.nan)
    deltas["loss"] = {"y": torch.ones(())}
    found, same_norm = clipped(params, deltas, 1.0, lead)
    assert torch.equal(norm, same_norm)
    assert {node: list(own) for node, own in found.items()} == {
        node: list(own) for node, own in params.items()
    }
    assert_same(found, expected)


@pytest.mark.parametrize("backward", ["autograd", "manual_atomic", "manual_fused"])
@pytest.mark.parametrize("lead", [0, 1])
def test_the_deltas_given_are_not_changed(backward: str, lead: int) -> None:
    """Those of an engine by hand are inference tensors, which could not be."""
    net, pull = small_net(), engine(backward)
    runs = [draw(net, Generators.of(seed)) for seed in (1, 2)]
    both = Batch(*(torch.stack(parts) for parts in zip(batch(1), batch(2), strict=True)))
    params, given = (stack(runs), both) if lead else (runs[0], batch(1))
    deltas = pull(net, net.forward(params, given, graph=pull.graph)).deltas
    before, first = copied(deltas), copied(params)
    found, norm = clipped(params, deltas, 1e-3, lead)
    assert (norm > 1e-3).all()
    assert all(map(torch.equal, tensors(deltas), tensors(before)))
    assert_same(params, first)
    assert grad_norm(params, found, lead).amax().item() == pytest.approx(1e-3, rel=1e-3)


@both_dtypes
def test_the_norm_does_not_ask_how_a_delta_lies_in_memory(dtype: torch.dtype) -> None:
    """A delta may be a transposed product; alone and in a stack it is added up in one order."""
    generator = torch.Generator().manual_seed(3)
    for shape in [(5, 7), (27, 10), (64, 33), (201, 30)]:
        delta = torch.randn((4, *shape), generator=generator, dtype=dtype).mT
        together = {"n": {"W": delta}}
        norms = grad_norm(together, together, lead=1)
        for replica in range(4):
            alone = unstack(together, replica)
            assert torch.equal(norms[replica], grad_norm(alone, alone, lead=0))
