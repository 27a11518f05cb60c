"""Specification of the check by central differences, of any function and of every rule."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ninja.cases import Case, cases
from ninja.errors import ConfigError
from ninja.gradcheck import RuleCheck, check_rule, gradient_check
from ninja.rules import BatchNorm, CrossEntropy, LayerNorm, Linear, Rule, Tanh
from ninja.types import Shape, Tensors
from tests.faults import fault_of

CASES = cases()
X = np.random.default_rng(1).normal(size=(3, 4))


def cubes(x: Any) -> Any:
    """Σ x³, for arrays and tensors; its gradient is 3 x²."""
    return (x**3).sum()


def gradient(x: Any) -> Any:
    return 3 * x**2


# --- what passes ---------------------------------------------------------------------------------


def test_an_array_passes() -> None:
    check = gradient_check(cubes, X, gradient(X))
    assert check
    assert check.passed
    assert check.reason == ""
    assert check.max_error < 1e-8
    np.testing.assert_allclose(check.numerical, gradient(X), rtol=1e-7)


def test_a_tensor_passes() -> None:
    x = torch.tensor(X)
    check = gradient_check(cubes, x, gradient(x))
    assert check
    assert check.numerical.shape == (3, 4)
    assert check.numerical.dtype == np.float64


def test_a_gradient_of_either_kind_passes() -> None:
    assert gradient_check(cubes, torch.tensor(X), gradient(X))
    assert gradient_check(cubes, X, torch.tensor(gradient(X)))
    assert gradient_check(cubes, X, gradient(X).tolist())


def test_a_tensor_with_a_graph_passes() -> None:
    x = torch.tensor(X, requires_grad=True)
    (analytical,) = torch.autograd.grad(cubes(x), x, create_graph=True)
    assert gradient_check(cubes, x, analytical)


DTYPES: list[Any] = [np.float16, np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_is_promoted_to_float64(dtype: Any) -> None:
    seen: list[Any] = []

    def f(x: NDArray[Any]) -> Any:
        seen.append(x.dtype)
        return cubes(x)

    x = X.astype(dtype)
    assert gradient_check(f, x, gradient(x.astype(np.float64)))
    assert set(seen) == {np.dtype(np.float64)}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_tensor_is_promoted_to_float64(dtype: torch.dtype) -> None:
    seen: list[Any] = []

    def f(x: Tensor) -> Tensor:
        seen.append(x.dtype)
        return cubes(x)

    x = torch.tensor(X).to(dtype)
    assert gradient_check(f, x, gradient(x.double()))
    assert set(seen) == {torch.float64}


def test_a_float32_gradient_is_right_to_its_digits() -> None:
    x = torch.tensor(X, dtype=torch.float32)
    assert gradient_check(cubes, x, gradient(x))


def test_the_zero_gradient_of_a_constant_passes() -> None:
    assert gradient_check(lambda _: 7.0, X, np.zeros_like(X))


@pytest.mark.parametrize(
    "returned",
    [
        float,
        np.float64,
        np.array,
        lambda v: np.array([[v]]),
        lambda v: torch.tensor([v], dtype=torch.float64),
    ],
)
def test_one_number_may_be_returned_in_any_way(returned: Callable[[float], Any]) -> None:
    assert gradient_check(lambda x: returned(float(cubes(x))), X, gradient(X))


@pytest.mark.parametrize("shape", [(0,), (3, 0)], ids=str)
def test_nothing_to_check_passes(shape: Shape) -> None:
    check = gradient_check(cubes, np.zeros(shape), np.zeros(shape))
    assert check
    assert (check.max_error, check.where) == (0.0, None)


def test_a_single_number_passes() -> None:
    assert gradient_check(cubes, np.array(2.0), np.array(12.0))
    check = gradient_check(cubes, torch.tensor(2.0), torch.tensor(11.0))
    assert not check
    assert check.where == ()


def test_strides_do_not_matter() -> None:
    wide = np.random.default_rng(2).normal(size=(8, 6))
    for x in (wide.T, wide[::2, ::3], wide[::-1]):
        assert gradient_check(cubes, x, gradient(x))
        if min(x.strides) > 0:
            assert gradient_check(cubes, torch.as_tensor(x), gradient(x))


@pytest.mark.parametrize("of", [np.array, torch.tensor])
def test_x_is_not_changed_even_by_a_function_that_writes(of: Callable[[Any], Any]) -> None:
    def f(x: Any) -> Any:
        total = cubes(x)
        x *= 0
        return total

    x = of(X)
    assert gradient_check(f, x, gradient(X))
    np.testing.assert_array_equal(np.asarray(x), X)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_step_suits_the_scale(scale: float) -> None:
    """A third derivative shows by its share of eps², so a smaller x needs a smaller step."""
    x = scale * X
    assert gradient_check(cubes, x, gradient(x), eps=1e-5 * scale)
    assert not gradient_check(cubes, x, 1.01 * gradient(x), eps=1e-5 * scale)


def test_torchs_own_gradient_of_a_deep_function_passes() -> None:
    def f(x: Tensor) -> Tensor:
        return (torch.tanh(x @ x.mT).logsumexp(-1) * x.sin().prod(-1)).sum()

    x = torch.tensor(X, requires_grad=True)
    (analytical,) = torch.autograd.grad(f(x), x)
    assert gradient_check(f, x, analytical)


# --- what does not -------------------------------------------------------------------------------


def spoilt(value: float) -> NDArray[np.float64]:
    wrong = gradient(X)
    wrong[1, 2] = value
    return wrong


@pytest.mark.parametrize("factor", [-1.0, 0.0, 0.99, 1.01, 1.0001])
def test_a_wrong_element_fails_and_is_named(factor: float) -> None:
    right = gradient(X)[1, 2]
    check = gradient_check(cubes, X, spoilt(factor * right))
    assert not check
    assert not check.passed
    assert check.where == (1, 2)
    assert "(1, 2)" in check.reason
    assert f"{factor * right:.9g}" in check.reason
    assert check.max_error == pytest.approx(abs(1 - factor) * right, rel=1e-3)


def test_a_small_element_beside_large_ones_is_checked_too() -> None:
    x = np.array([1.0, 100.0])
    assert not gradient_check(cubes, x, np.array([3.1, 30000.0]))


def test_the_worst_of_several_is_named() -> None:
    wrong = gradient(X)
    wrong[0, 0] += 1e-2
    wrong[2, 1] += 1
    assert gradient_check(cubes, X, wrong).where == (2, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_fails(value: float) -> None:
    check = gradient_check(cubes, X, spoilt(value))
    assert not check
    assert check.where == (1, 2)
    assert str(value) in check.reason


def test_a_gradient_of_nothing_but_nan_fails() -> None:
    assert not gradient_check(cubes, X, np.full_like(X, np.nan))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_function_that_is_not_a_number_fails(value: float) -> None:
    assert not gradient_check(lambda _: value, X, np.zeros_like(X))


def test_a_gradient_of_zero_fails_where_there_is_one() -> None:
    assert not gradient_check(cubes, X, np.zeros_like(X))


def test_a_gradient_of_a_constant_fails() -> None:
    assert not gradient_check(lambda _: 7.0, X, np.full_like(X, 1e-3))


@pytest.mark.parametrize("shape", [(12,), (4, 3), (1, 3, 4), (4,), (1,), ()], ids=str)
def test_another_shape_fails_with_a_reason(shape: Shape) -> None:
    """Also one that could be broadcast."""
    check = gradient_check(cubes, X, np.ones(shape))
    assert not check
    assert check.where is None
    assert str(shape) in check.reason
    assert "(3, 4)" in check.reason


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [0.0, -1e-5, math.nan])
def test_an_eps_that_is_no_step_is_refused(eps: float) -> None:
    message = fault_of(lambda: gradient_check(cubes, X, gradient(X), eps), ConfigError)
    assert message.startswith("eps")


@pytest.mark.parametrize("x", [np.arange(3), torch.arange(3), np.array([True]), np.array([1j])])
def test_an_x_that_has_no_gradient_is_refused(x: Any) -> None:
    assert fault_of(lambda: gradient_check(cubes, x, x), ConfigError).startswith("x")


@pytest.mark.parametrize("of", [np.array, torch.tensor])
def test_a_function_of_many_values_is_refused(of: Callable[[Any], Any]) -> None:
    x = of(X)
    message = fault_of(lambda: gradient_check(lambda x: x**3, x, gradient(x)), ConfigError)
    assert message.startswith("f")
    assert "(3, 4)" in message


def test_a_function_that_insists_on_float32_is_refused() -> None:
    x, weight = torch.tensor(X, dtype=torch.float32), torch.ones(4, 2)
    message = fault_of(lambda: gradient_check(lambda x: (x @ weight).sum(), x, x), ConfigError)
    assert "float64" in message


def test_a_function_that_answers_in_float32_is_refused() -> None:
    """Its rounding, divided by the step, would make a right gradient look wrong."""
    x = torch.tensor(X)
    message = fault_of(
        lambda: gradient_check(lambda x: cubes(x).float(), x, gradient(x)), ConfigError
    )
    assert "float64" in message


# --- every rule ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [(), (2,)], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_every_rule_passes_in_both_forms(name: str, lead: Shape) -> None:
    atomic, fused = check_rule(name, CASES[name], seed=1, lead=lead)
    assert (atomic.fused, fused.fused) == (False, True)
    for check in (atomic, fused):
        assert check.rule == name
        assert check.wrong == {}
        assert check.torch_agrees
        assert check.passed
        assert check.max_error < 1e-6


class MinusStep(Rule):
    """A sign error step by step."""

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> Any:
        dx, deltas = super().backward(params, saved, dy)
        return -dx, deltas


class MinusFused(Rule):
    """A sign error in the closed form."""

    def backward_fused(self, params: Tensors, saved: Tensors, dy: Tensor) -> Any:
        dx, deltas = super().backward_fused(params, saved, dy)
        return -dx, deltas


class MinusStepBatchNorm(MinusStep, BatchNorm): ...


class MinusStepLayerNorm(MinusStep, LayerNorm): ...


class MinusStepCrossEntropy(MinusStep, CrossEntropy): ...


class MinusFusedBatchNorm(MinusFused, BatchNorm): ...


class MinusFusedLayerNorm(MinusFused, LayerNorm): ...


class MinusFusedCrossEntropy(MinusFused, CrossEntropy): ...


class MinusFusedLinear(MinusFused, Linear): ...


ENTROPY = ((6,), 4)
BROKEN = {
    "batchnorm step": (Case(MinusStepBatchNorm(4)), False),
    "layernorm step": (Case(MinusStepLayerNorm(4)), False),
    "cross_entropy step": (Case(MinusStepCrossEntropy(), integers=ENTROPY), False),
    "batchnorm fused": (Case(MinusFusedBatchNorm(4)), True),
    "layernorm fused": (Case(MinusFusedLayerNorm(4)), True),
    "cross_entropy fused": (Case(MinusFusedCrossEntropy(), integers=ENTROPY), True),
    "linear fused": (Case(MinusFusedLinear(4, 3)), True),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_sign_error_is_found_in_its_form_only_and_by_both_checks(name: str) -> None:
    case, fused = BROKEN[name]
    checks: dict[bool, RuleCheck] = {check.fused: check for check in check_rule(name, case, 1)}
    broken, right = checks[fused], checks[not fused]
    assert list(broken.wrong) == ["x0"]
    assert broken.wrong["x0"].startswith("at (")
    assert not broken.torch_agrees
    assert not broken.passed
    assert right.wrong == {}
    assert right.torch_agrees


@pytest.mark.parametrize("wrong", [{}, {"x0": "at (0, 0)"}])
@pytest.mark.parametrize("torch_agrees", [False, True])
def test_a_rule_passes_if_both_checks_do(wrong: dict[str, str], torch_agrees: bool) -> None:
    check = RuleCheck("tanh", False, 0.0, wrong, torch_agrees)
    assert check.passed == (torch_agrees and not wrong)


class ForgottenBias(Linear):
    """One parameter wrong among right ones."""

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        dx, deltas = super().backward(params, saved, dy)
        return dx, deltas | {"b": torch.zeros_like(deltas["b"])}


def test_the_wrong_parameter_is_named() -> None:
    for check in check_rule("linear", Case(ForgottenBias(4, 3)), seed=1):
        assert list(check.wrong) == ["b"]
        assert not check.torch_agrees


class Broadcast(Tanh):
    """The right values in another shape."""

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        dx, deltas = super().backward(params, saved, dy)
        return dx.unsqueeze(0), deltas


def test_a_delta_of_another_shape_is_wrong() -> None:
    for check in check_rule("tanh", Case(Broadcast()), seed=1):
        assert "shape" in check.wrong["x0"]
        assert not check.passed


def test_another_seed_is_another_point() -> None:
    case = CASES["tanh"]
    errors = {check_rule("tanh", case, seed)[0].max_error for seed in range(3)}
    assert len(errors) == 3
    assert check_rule("tanh", case, 0) == check_rule("tanh", case, 0)


def test_a_check_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    check_rule("linear", CASES["linear"], seed=1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_a_gradient_in_low_precision_is_judged_by_its_own_rounding(dtype: torch.dtype) -> None:
    x = torch.randn(50, generator=torch.Generator().manual_seed(1)).to(dtype)
    right = (3 * x.double() ** 2).to(dtype)
    assert gradient_check(lambda t: (t**3).sum(), x, right)
    assert not gradient_check(lambda t: (t**3).sum(), x, right * 1.2)


@pytest.mark.parametrize(
    ("f", "x", "eps"),
    [
        (lambda x: (x**2).sum(), torch.ones(2, dtype=torch.complex64), 1e-5),
        (lambda x: (x**2).sum(), torch.ones(2).to_sparse(), 1e-5),
        (lambda x: (x**2).sum().bfloat16(), torch.ones(2), 1e-5),
        (lambda _: None, torch.ones(2), 1e-5),
        (lambda _: "one", torch.ones(2), 1e-5),
        (lambda x: (x + 1j).sum(), torch.ones(2), 1e-5),
        (lambda x: (x**2).sum(), torch.ones(2), None),
        (lambda x: (x**2).sum(), torch.ones(2), "a"),
        (lambda x: (x**2).sum(), torch.ones(2), float("inf")),
        (lambda x: (x**2).sum(), torch.full((2,), 1e30), 1e-5),
    ],
)
def test_what_cannot_be_checked_is_refused(f: Any, x: Any, eps: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        gradient_check(f, x, torch.ones(2), eps)
    assert str(caught.value).isprintable()


def test_a_complex_gradient_of_a_real_function_is_refused() -> None:
    x = torch.ones(2)
    with pytest.raises(ConfigError, match="dx_analytical"):
        gradient_check(lambda t: (t**3).sum(), x, torch.full((2,), 3 + 5j))


def test_a_failure_without_words() -> None:
    def f(_: Any) -> Any:
        raise RuntimeError

    with pytest.raises(ConfigError, match="RuntimeError"):
        gradient_check(f, torch.ones(2), torch.ones(2))
