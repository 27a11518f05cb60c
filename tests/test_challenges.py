"""The lecture's coding challenges, against torch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

import ninja
from ninja.errors import ConfigError, DataError, ShapeError
from tests.faults import fault_of


def normal(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("bias_shape", [(3,), (1, 3)])
def test_linear_tanh_backward(bias_shape: tuple[int, ...]) -> None:
    x, W, b = normal(5, 4), normal(4, 3, seed=2), normal(*bias_shape, seed=3)
    for tensor in (x, W, b):
        tensor.requires_grad_()
    z = x @ W + b
    a = torch.tanh(z)
    expected = torch.autograd.grad(a.sum(), (W, b, x))
    made = ninja.linear_tanh_backward(x.detach(), W.detach(), b.detach(), a.detach(), z.detach())
    for delta, reference in zip(made, expected, strict=True):
        assert delta.shape == reference.shape
        torch.testing.assert_close(delta, reference, rtol=1e-12, atol=1e-12)


def test_linear_tanh_backward_refuses_other_shapes() -> None:
    x, W, b = normal(5, 4), normal(4, 3), normal(3)
    z = x @ W + b
    message = fault_of(lambda: ninja.linear_tanh_backward(x, W, b, z.tanh().T, z), ShapeError)
    assert "a: shape (3, 5), but x @ W has (5, 3)" in message


@given(rows=st.integers(1, 9), classes=st.integers(1, 9), seed=st.integers(0, 99))
def test_cross_entropy_backward(rows: int, classes: int, seed: int) -> None:
    logits = normal(rows, classes, seed=seed).requires_grad_()
    targets = torch.randint(0, classes, (rows,), generator=torch.Generator().manual_seed(seed))
    (expected,) = torch.autograd.grad(functional.cross_entropy(logits, targets), logits)
    made = ninja.cross_entropy_backward(logits.detach(), targets)
    torch.testing.assert_close(made, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("target", [27, 100, -1])
def test_a_target_outside_the_vocabulary(target: int) -> None:
    targets = torch.tensor([0, target])
    message = fault_of(lambda: ninja.cross_entropy_backward(normal(2, 27), targets), DataError)
    assert "0 … 26" in message


def test_a_target_of_another_shape() -> None:
    targets = torch.tensor([[0], [1]])
    assert "do not fit" in fault_of(
        lambda: ninja.cross_entropy_backward(normal(2, 27), targets), ShapeError
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("momentum", [0.1, 0.7])
def test_batchnorm1d_is_torchs(dtype: torch.dtype, momentum: float) -> None:
    ours = ninja.BatchNorm1d(4, eps=1e-4, momentum=momentum)
    theirs = torch.nn.BatchNorm1d(4, eps=1e-4, momentum=momentum, dtype=dtype)
    ours.gamma, ours.beta = normal(4, seed=5, dtype=dtype), normal(4, seed=6, dtype=dtype)
    theirs.load_state_dict({"weight": ours.gamma, "bias": ours.beta}, strict=False)
    close = (
        {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-12}
    )
    for step in range(6):
        training = step < 4
        theirs.train(training)
        x = normal(7, 4, seed=step, dtype=dtype).requires_grad_()
        dout = normal(7, 4, seed=step + 50, dtype=dtype)
        y = theirs(x)
        dx, dgamma, dbeta = torch.autograd.grad(y, (x, theirs.weight, theirs.bias), dout)
        torch.testing.assert_close(ours.forward(x.detach(), training=training), y, **close)
        for made, expected in zip(ours.backward(dout), (dx, dgamma, dbeta), strict=True):
            assert made.shape == expected.shape
            torch.testing.assert_close(made, expected, **close)
        running = {"rtol": 1e-5, "atol": 1e-6}
        torch.testing.assert_close(ours.running_mean.to(dtype), theirs.running_mean, **running)
        torch.testing.assert_close(ours.running_var.to(dtype), theirs.running_var, **running)


def test_batchnorm1d_bad_input() -> None:
    norm = ninja.BatchNorm1d(4)
    assert "no forward" in fault_of(lambda: norm.backward(normal(7, 4)), ShapeError)
    assert "expected (N, 4)" in fault_of(lambda: norm.forward(normal(7, 5)), ShapeError)
    assert "batch_size" in fault_of(lambda: norm.forward(normal(1, 4)), ConfigError)
    norm.forward(normal(7, 4))
    assert "another shape" in fault_of(lambda: norm.backward(normal(6, 4)), ShapeError)
    assert norm.forward(normal(1, 4), training=False).shape == (1, 4)  # one is enough here


def test_gradient_check_is_public() -> None:
    x = normal(3, 2)
    assert ninja.gradient_check(lambda t: (t**3).sum(), x, 3 * x**2)
    assert not ninja.gradient_check(lambda t: (t**3).sum(), x, 2 * x**2)


def test_public_names() -> None:
    for name in ninja.__all__:
        assert getattr(ninja, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ninja.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("x", "W", "b"),
    [
        ((3, 4), (4, 3), (3, 1)),  # would broadcast down the rows
        ((3, 4), (4, 3), (1,)),
        ((3, 4), (4, 3), ()),
        ((8, 4), (2, 4, 3), (3,)),
        ((2, 8, 4), (4, 3), (3,)),
        ((2, 8, 4), (4, 3), (2, 3)),
        ((4,), (4, 3), (3,)),
        ((3, 5), (4, 3), (3,)),
    ],
)
def test_shapes_that_would_broadcast_are_refused(
    x: tuple[int, ...], W: tuple[int, ...], b: tuple[int, ...]
) -> None:
    a = torch.zeros(*x[:-1], W[-1])
    tensors = (torch.zeros(x), torch.zeros(W), torch.zeros(b), a, a)
    assert "shape" in fault_of(lambda: ninja.linear_tanh_backward(*tensors), ShapeError)


def test_linear_tanh_backward_of_a_stack() -> None:
    x, W, b = normal(2, 5, 4), normal(2, 4, 3, seed=2), normal(2, 3, seed=3)
    z = x @ W + b.unsqueeze(-2)
    stacked = ninja.linear_tanh_backward(x, W, b, z.tanh(), z)
    for r in range(2):
        alone = ninja.linear_tanh_backward(x[r], W[r], b[r], z[r].tanh(), z[r])
        for of_stack, own in zip(stacked, alone, strict=True):
            torch.testing.assert_close(of_stack[r], own)


@pytest.mark.parametrize("shape", [(0, 27), (5, 0), (27,), ()])
def test_logits_without_rows_or_classes(shape: tuple[int, ...]) -> None:
    targets = torch.zeros(shape[:-1], dtype=torch.int64)
    message = fault_of(
        lambda: ninja.cross_entropy_backward(torch.zeros(shape), targets), ShapeError
    )
    assert message.startswith("logits: shape")


def test_a_refused_forward_leaves_the_last_one_as_it_was() -> None:
    norm, other = ninja.BatchNorm1d(4), ninja.BatchNorm1d(4)
    x, dout = normal(7, 4), normal(7, 4, seed=2)
    for one in (norm, other):
        one.forward(x, training=False)
    fault_of(lambda: norm.forward(x[:1], training=True), ConfigError)
    for made, expected in zip(norm.backward(dout), other.backward(dout), strict=True):
        assert torch.equal(made, expected)


def test_running_statistics_of_half_precision_are_kept_in_single() -> None:
    norm = ninja.BatchNorm1d(4)
    norm.forward(normal(7, 4).half())
    assert norm.running_mean.dtype == norm.running_var.dtype == torch.float32
