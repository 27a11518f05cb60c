"""T8: residual sums with and without LayerNorm, as products of factors and as networks."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from ninja.errors import TheoryError
from ninja.theory import (
    NAMED,
    block_lengths,
    layernorm_growth,
    post_layernorm_growth,
    pre_layernorm_growth,
    pre_layernorm_length,
    residual_growth,
)
from ninja.theory.residual import Branch
from tests.faults import fault_of
from tests.theory.networks import Array, seeded


@pytest.mark.parametrize("branch", ["W φ(x)", "φ(W x)"])
@pytest.mark.parametrize(("weight", "growth"), [(2, 2), (0.5, 1.25)])
def test_t8_without_a_norm(weight: float, growth: float, branch: Branch) -> None:
    assert residual_growth(6, weight, 0, "relu", branch) == pytest.approx([growth] * 6)


@pytest.mark.parametrize("depth", [10, 20, 40, 80])
def test_t8_pre_layernorm(depth: int) -> None:
    assert np.prod(pre_layernorm_growth(depth, 2, 0, "relu")) == pytest.approx(depth + 1)


def test_t8_last_layer() -> None:
    """Blocks that add 1/2: (1 + L/2), and the gradient as its power −1/2; post-LN keeps all."""
    assert pre_layernorm_length(40, 1, 0, "relu") == pytest.approx(1 + 40 / 2)
    assert post_layernorm_growth(2, 0, "relu") == pytest.approx(1)
    assert layernorm_growth(2, 0, "relu") == pytest.approx(1)


def test_layernorm_is_batchnorm_of_an_infinite_batch_where_the_mean_is_zero() -> None:
    assert layernorm_growth(7, 0, "tanh") == pytest.approx(1.17781, abs=5e-6)


def standardised(x: Array) -> tuple[Array, Array]:
    std = x.std(-1, keepdims=True)
    return (x - x.mean(-1, keepdims=True)) / std, std


def through_norm(dz: Array, z: Array, std: Array) -> Array:
    dz = dz - dz.mean(-1, keepdims=True)
    return (dz - z * (dz * z).mean(-1, keepdims=True)) / std


def measured(
    seed: tuple[object, ...],
    depth: int,
    weight: float,
    forward: Callable[[Array, Array], tuple[Array, Callable[[Array], Array]]],
) -> tuple[Array, Array]:
    """E[x²] before each block, and |δ|² before over that after it."""
    random, width, nets = seeded(*seed), 300, 20
    lengths, squares = np.zeros(depth), np.zeros(depth + 1)
    for _ in range(nets):
        x, back = random.normal(size=(64, width)), []
        for block in range(depth):
            lengths[block] += (x**2).mean() / nets
            W = random.normal(size=(width, width)) * math.sqrt(weight / width)
            x, pull = forward(x, W)
            back.append(pull)
        delta = random.normal(size=x.shape)
        squares[depth] += (delta**2).mean()
        for block in reversed(range(depth)):
            delta = back[block](delta)
            squares[block] += (delta**2).mean()
    return lengths, squares[:-1] / squares[1:]


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu"])
def test_inner_branches_against_networks(name: str) -> None:
    made = NAMED[name]

    def forward(x: Array, W: Array) -> tuple[Array, Callable[[Array], Array]]:
        h = x @ W
        return x + made.function(h), lambda dy: dy + (made.slope(h) * dy) @ W.T

    lengths, growth = measured(("inner", name), 4, 1.4, forward)
    np.testing.assert_allclose(lengths, block_lengths(4, 1.4, 0, name), rtol=0.02)
    np.testing.assert_allclose(growth, residual_growth(4, 1.4, 0, name), rtol=0.02)


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_outer_branches_against_networks(name: str) -> None:
    made = NAMED[name]

    def forward(x: Array, W: Array) -> tuple[Array, Callable[[Array], Array]]:
        return x + made.function(x) @ W, lambda dy: dy + made.slope(x) * (dy @ W.T)

    lengths, growth = measured(("outer", name), 5, 0.8, forward)
    np.testing.assert_allclose(lengths, block_lengths(5, 0.8, 0, name, "W φ(x)"), rtol=0.02)
    np.testing.assert_allclose(growth, residual_growth(5, 0.8, 0, name, "W φ(x)"), rtol=0.02)


@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_pre_layernorm_against_networks(name: str) -> None:
    made = NAMED[name]

    def forward(x: Array, W: Array) -> tuple[Array, Callable[[Array], Array]]:
        z, std = standardised(x)
        return (
            x + made.function(z) @ W,
            lambda dy: dy + through_norm(made.slope(z) * (dy @ W.T), z, std),
        )

    lengths, growth = measured(("pre", name), 6, 2, forward)
    expected = [pre_layernorm_length(block, 2, 0, name) for block in range(6)]
    np.testing.assert_allclose(lengths, expected, rtol=0.02)
    np.testing.assert_allclose(growth, pre_layernorm_growth(6, 2, 0, name), rtol=0.02)


def test_post_layernorm_against_networks() -> None:
    made = NAMED["tanh"]

    def forward(x: Array, W: Array) -> tuple[Array, Callable[[Array], Array]]:
        z, std = standardised(x + made.function(x) @ W)

        def pull(dz: Array) -> Array:
            dx = through_norm(dz, z, std)
            return dx + made.slope(x) * (dx @ W.T)

        return z, pull

    _, growth = measured(("post",), 5, 1.7, forward)
    np.testing.assert_allclose(growth, [post_layernorm_growth(1.7, 0, "tanh")] * 5, rtol=0.02)


def test_layernorm_against_networks() -> None:
    made = NAMED["tanh"]

    def forward(x: Array, W: Array) -> tuple[Array, Callable[[Array], Array]]:
        z, std = standardised(x @ W)
        return made.function(z), lambda dy: through_norm(made.slope(z) * dy, z, std) @ W.T

    _, growth = measured(("plain",), 6, 3, forward)
    np.testing.assert_allclose(growth[1:], [layernorm_growth(3, 0, "tanh")] * 5, rtol=0.02)


def test_what_is_no_variance_is_said() -> None:
    assert "no variance" in fault_of(lambda: residual_growth(3, -1, 0, "relu"), TheoryError)
    assert "no variance" in fault_of(lambda: layernorm_growth(1, math.inf, "relu"), TheoryError)
