"""LayerNorm and RMSNorm against torch's modules."""

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import Module

from ninja.rules import LayerNorm, RMSNorm, Rule

ROWS, FEATURES = 6, 5
Norm = tuple[Rule, Module]


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=Generator().manual_seed(seed), dtype=torch.float64)


def norm(name: str, eps: float, trainable: bool) -> Norm:
    ours, torchs = {
        "layernorm": (LayerNorm, torch.nn.LayerNorm),
        "rmsnorm": (RMSNorm, torch.nn.RMSNorm),
    }[name]
    made = torchs(FEATURES, eps=eps, elementwise_affine=trainable, dtype=torch.float64)
    return ours(FEATURES, eps, trainable), made


def params_of(rule: Rule) -> dict[str, Tensor]:
    return {
        name: random(*shape, seed=7 + i) for i, (name, shape) in enumerate(rule.shapes().items())
    }


every_norm = pytest.mark.parametrize("name", ["layernorm", "rmsnorm"])


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("eps", [1e-5, 0.1, 0.0])
@every_norm
def test_a_norm_is_torchs_module(name: str, eps: float, trainable: bool, fused: bool) -> None:
    rule, torchs = norm(name, eps, trainable)
    params, dy = params_of(rule), random(ROWS, FEATURES, seed=3)
    with torch.no_grad():
        for ours, its in zip(params.values(), torchs.parameters(), strict=True):
            its.copy_(ours.squeeze(0))
    x = random(ROWS, FEATURES).requires_grad_()
    y = torchs(x)
    y.backward(dy)
    saved = rule.forward(params, x.detach())
    backward = rule.backward_fused if fused else rule.backward
    dx, deltas = backward(params, saved, dy)
    torch.testing.assert_close(saved["y"], y.detach(), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(dx, x.grad, rtol=1e-10, atol=1e-13)
    for key, its in zip(params, torchs.parameters(), strict=True):
        torch.testing.assert_close(deltas[key].squeeze(0), its.grad, rtol=1e-10, atol=1e-13)


def test_shapes() -> None:
    row = (1, FEATURES)
    assert LayerNorm(FEATURES).shapes() == {"gain": row, "bias": row}
    assert RMSNorm(FEATURES).shapes() == {"gain": row}
    assert LayerNorm(FEATURES, trainable=False).shapes() == {}
    assert RMSNorm(FEATURES, trainable=False).shapes() == {}


@pytest.mark.parametrize("fused", [False, True])
@every_norm
def test_rows_do_not_mix(name: str, fused: bool) -> None:
    """A row alone has the outputs and the deltas that it has among others."""
    rule, _ = norm(name, 1e-5, trainable=True)
    params, x, dy = params_of(rule), random(ROWS, FEATURES), random(ROWS, FEATURES, seed=3)
    backward = rule.backward_fused if fused else rule.backward
    dx, _ = backward(params, rule.forward(params, x), dy)
    alone, _ = backward(params, rule.forward(params, x[2:3]), dy[2:3])
    torch.testing.assert_close(alone, dx[2:3], rtol=1e-12, atol=1e-14)


@every_norm
def test_evaluation_is_training(name: str) -> None:
    rule, _ = norm(name, 1e-5, trainable=True)
    assert rule.evaluation() is rule
    assert rule.buffers() == {}


@pytest.mark.parametrize("factor", [0.01, 100.0])
@every_norm
def test_without_eps_a_norm_does_not_see_the_scale(name: str, factor: float) -> None:
    rule, _ = norm(name, 0.0, trainable=False)
    x = random(ROWS, FEATURES)
    torch.testing.assert_close(rule.forward({}, factor * x)["y"], rule.forward({}, x)["y"])


def test_only_layernorm_does_not_see_a_shift() -> None:
    x = random(ROWS, FEATURES)
    layer, rms = LayerNorm(FEATURES, trainable=False), RMSNorm(FEATURES, trainable=False)
    torch.testing.assert_close(layer.forward({}, x + 5)["y"], layer.forward({}, x)["y"])
    assert not torch.allclose(rms.forward({}, x + 5)["y"], rms.forward({}, x)["y"])


def test_rmsnorm_of_a_row_without_mean_is_layernorm() -> None:
    x = random(ROWS, FEATURES)
    x = x - x.mean(-1, keepdim=True)
    layer, rms = LayerNorm(FEATURES, trainable=False), RMSNorm(FEATURES, trainable=False)
    torch.testing.assert_close(rms.forward({}, x)["y"], layer.forward({}, x)["y"])
