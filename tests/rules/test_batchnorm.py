"""BatchNorm against torch's module: training, running statistics, evaluation; and the lecture's."""

from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import BatchNorm1d

from ninja.errors import ConfigError
from ninja.rules import BatchNorm
from ninja.types import Tensors
from tests.faults import fault_of
from tests.rules.settings import autograd, leaves

FEATURES, ROWS = 4, 6
TORCHS = BatchNorm(FEATURES, bessel=False)
"""torch trains on the biased variance, and keeps the unbiased one running."""


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=Generator().manual_seed(seed), dtype=torch.float64)


PARAMS = {"gain": random(1, FEATURES, seed=2), "bias": random(1, FEATURES, seed=3)}
BATCHES = [2 * random(ROWS, FEATURES, seed=seed) + 3 for seed in range(5)]


def module(momentum: float = 0.1, eps: float = 1e-5) -> BatchNorm1d:
    torchs = BatchNorm1d(FEATURES, eps=eps, momentum=momentum, dtype=torch.float64)
    with torch.no_grad():
        torchs.weight.copy_(PARAMS["gain"].squeeze(0))
        torchs.bias.copy_(PARAMS["bias"].squeeze(0))
    return torchs


def first(rule: BatchNorm) -> Tensors:
    """The running statistics before any batch."""
    return {
        name: torch.full(shape, value, dtype=torch.float64)
        for name, (shape, value) in rule.buffers().items()
    }


def after(rule: BatchNorm, batches: list[Tensor]) -> Tensors:
    buffers = first(rule)
    for x in batches:
        buffers = rule.running(buffers, rule.forward(PARAMS, x))
    return buffers


# --- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [1e-5, 0.1, 1e-12])
def test_a_training_batch_is_torchs(eps: float) -> None:
    y = replace(TORCHS, eps=eps).forward(PARAMS, BATCHES[0])["y"]
    torch.testing.assert_close(y, module(eps=eps)(BATCHES[0]).detach(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("bessel", [False, True])
def test_the_batchs_variance_is_divided_by_n_or_by_one_less(bessel: bool) -> None:
    saved = replace(TORCHS, bessel=bessel).forward(PARAMS, BATCHES[0])
    expected = BATCHES[0].var(0, keepdim=True, correction=int(bessel))
    torch.testing.assert_close(saved["var"], expected)


@pytest.mark.parametrize("bessel", [False, True])
def test_without_eps_a_column_has_mean_zero_and_deviation_one(bessel: bool) -> None:
    raw = BatchNorm(FEATURES, eps=0.0, bessel=bessel).forward(PARAMS, BATCHES[0])["raw"]
    assert raw.mean(0).abs().max() < 1e-14
    torch.testing.assert_close(
        raw.std(0, correction=int(bessel)), torch.ones(FEATURES, dtype=torch.float64)
    )


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("bessel", [False, True])
def test_deltas_without_eps(bessel: bool, fused: bool) -> None:
    rule = BatchNorm(FEATURES, eps=0.0, bessel=bessel)
    free = leaves(PARAMS | {"x": BATCHES[0]})
    x, dy = free["x"], random(ROWS, FEATURES)
    raw = (x - x.mean(0)) / x.std(0, correction=int(bessel))
    expected = autograd(free["gain"] * raw + free["bias"], free, dy)
    backward = rule.backward_fused if fused else rule.backward
    dx, deltas = backward(PARAMS, rule.forward(PARAMS, BATCHES[0]), dy)
    ours = {name: (deltas | {"x": dx})[name] for name in expected}
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("bessel", [False, True])
@pytest.mark.parametrize("lead", [(), (3,)], ids=str)
def test_a_batch_of_one_is_refused(bessel: bool, lead: tuple[int, ...]) -> None:
    x = torch.ones(*lead, 1, FEATURES)
    params = {name: torch.ones(*lead, 1, FEATURES) for name in ("gain", "bias")}
    rule = BatchNorm(FEATURES, bessel=bessel)
    assert "batch_size" in fault_of(lambda: rule.forward(params, x), ConfigError)


def test_shapes() -> None:
    row = (1, FEATURES)
    assert BatchNorm(FEATURES).shapes() == {"gain": row, "bias": row}
    assert BatchNorm(FEATURES, trainable=False).shapes() == {}
    assert BatchNorm(FEATURES).buffers() == {"running_mean": (row, 0.0), "running_var": (row, 1.0)}


# --- running statistics --------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("momentum", [0.001, 0.1, 0.9, 1.0, 0.0])
def test_running_statistics_are_torchs(momentum: float, steps: int) -> None:
    torchs = module(momentum)
    for x in BATCHES[:steps]:
        torchs(x)
    ours = after(replace(TORCHS, momentum=momentum), BATCHES[:steps])
    expected = {"running_mean": torchs.running_mean, "running_var": torchs.running_var}
    flat = {name: tensor.squeeze(0) for name, tensor in ours.items()}
    torch.testing.assert_close(flat, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("running_bessel", [False, True])
@pytest.mark.parametrize("bessel", [False, True])
def test_the_running_variance_has_a_divisor_of_its_own(bessel: bool, running_bessel: bool) -> None:
    rule = BatchNorm(FEATURES, momentum=1.0, bessel=bessel, running_bessel=running_bessel)
    expected = BATCHES[0].var(0, keepdim=True, correction=int(running_bessel))
    torch.testing.assert_close(after(rule, BATCHES[:1])["running_var"], expected)


@pytest.mark.parametrize("running_bessel", [False, True])
@pytest.mark.parametrize("bessel", [False, True])
def test_the_running_deviation_is_a_mean_of_deviations(bessel: bool, running_bessel: bool) -> None:
    """As in part 3: bnstd_running = 0.999·bnstd_running + 0.001·bnstdi, from ones."""
    rule = BatchNorm(
        FEATURES,
        momentum=0.001,
        bessel=bessel,
        running_bessel=running_bessel,
        running_statistic="std",
    )
    expected = torch.ones(1, FEATURES, dtype=torch.float64)
    for x in BATCHES:
        expected = 0.999 * expected + 0.001 * x.std(0, keepdim=True, correction=int(running_bessel))
    buffers = after(rule, BATCHES)
    assert buffers.keys() == {"running_mean", "running_std"}
    torch.testing.assert_close(buffers["running_std"], expected, rtol=1e-12, atol=0)


def test_running_statistics_are_new_tensors() -> None:
    buffers = first(TORCHS)
    before = {name: tensor.clone() for name, tensor in buffers.items()}
    found = TORCHS.running(buffers, TORCHS.forward(PARAMS, BATCHES[0]))
    assert found.keys() == buffers.keys()
    for name, tensor in buffers.items():
        assert torch.equal(tensor, before[name])
        assert not torch.equal(tensor, found[name])
        assert found[name].shape == tensor.shape


def test_every_replica_keeps_its_own() -> None:
    x = torch.stack(BATCHES[:2])
    stacked = {name: torch.stack([tensor] * 2) for name, tensor in PARAMS.items()}
    buffers = {name: torch.stack([tensor] * 2) for name, tensor in first(TORCHS).items()}
    found = TORCHS.running(buffers, TORCHS.forward(stacked, x))
    for i in range(2):
        alone = after(TORCHS, [BATCHES[i]])
        torch.testing.assert_close({name: t[i] for name, t in found.items()}, alone)


# --- evaluation ----------------------------------------------------------------------------------


def trained() -> tuple[BatchNorm1d, Tensors]:
    torchs = module()
    for x in BATCHES:
        torchs(x)
    return torchs.eval(), PARAMS | after(TORCHS, BATCHES)


def test_evaluation_is_torchs() -> None:
    torchs, params = trained()
    y = TORCHS.evaluation().forward(params, BATCHES[0])["y"]
    torch.testing.assert_close(y, torchs(BATCHES[0]).detach(), rtol=1e-12, atol=1e-13)


def test_gradients_in_evaluation_are_torchs() -> None:
    torchs, params = trained()
    x, dy = BATCHES[0].clone().requires_grad_(), random(ROWS, FEATURES)
    torchs(x).backward(dy)
    rule = TORCHS.evaluation()
    dx, deltas = rule.backward(params, rule.forward(params, BATCHES[0]), dy)
    torch.testing.assert_close(dx, x.grad, rtol=1e-12, atol=0)
    torch.testing.assert_close(deltas["gain"].squeeze(0), torchs.weight.grad, rtol=1e-12, atol=0)
    torch.testing.assert_close(deltas["bias"].squeeze(0), torchs.bias.grad, rtol=1e-12, atol=0)


def test_in_evaluation_a_row_alone_is_the_row_among_others() -> None:
    _, params = trained()
    rule = TORCHS.evaluation()
    whole = rule.forward(params, BATCHES[0])["y"]
    torch.testing.assert_close(rule.forward(params, BATCHES[0][:1])["y"], whole[:1])


def test_evaluation_by_the_running_deviation_has_no_eps() -> None:
    rule = BatchNorm(FEATURES, eps=0.5, running_statistic="std")
    params = PARAMS | after(rule, BATCHES)
    raw = (BATCHES[0] - params["running_mean"]) / params["running_std"]
    y = rule.evaluation().forward(params, BATCHES[0])["y"]
    torch.testing.assert_close(y, PARAMS["gain"] * raw + PARAMS["bias"], rtol=1e-12, atol=1e-13)


def test_the_evaluation_rule_leaves_the_running_statistics_as_they_are() -> None:
    _, params = trained()
    rule = TORCHS.evaluation()
    buffers = {name: params[name] for name in TORCHS.buffers()}
    found = rule.running(buffers, rule.forward(params, BATCHES[0]))
    assert all(torch.equal(found[name], tensor) for name, tensor in buffers.items())


def test_the_evaluation_rule_holds_what_the_training_rule_does() -> None:
    rule = TORCHS.evaluation()
    assert rule.shapes() == TORCHS.shapes()
    assert rule.buffers() == TORCHS.buffers()
    assert rule.evaluation() is rule
