"""Specification of the small cases that every rule is checked on."""

import inspect

import pytest
import torch
from torch import Generator, Tensor

import ninja.rules
from ninja.cases import FEATURES, ROWS, Case, Point, cases
from ninja.rules import LayerNorm, Linear, Rule, activations
from ninja.types import Shape, Tensors

CASES = cases()

every_case = pytest.mark.parametrize("name", CASES)
every_lead = pytest.mark.parametrize("lead", [(), (1,), (2, 3)], ids=str)


def drawn(name: str, lead: Shape = (), seed: int = 1, dtype: torch.dtype = torch.float64) -> Point:
    return CASES[name].draw(Generator().manual_seed(seed), lead, dtype)


def tensors(point: Point) -> Tensors:
    given = {f"given{i}": tensor for i, tensor in enumerate(point.given)}
    return point.free | given | point.constants | {"dy": point.dy}


def same(a: Point, b: Point) -> bool:
    left, right = tensors(a), tensors(b)
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


# --- every rule has one --------------------------------------------------------------------------


def concrete_rules() -> set[type[Rule]]:
    exported = [getattr(ninja.rules, name) for name in ninja.rules.__all__]
    kinds = {kind for kind in exported if inspect.isclass(kind) and issubclass(kind, Rule)}
    return {kind for kind in kinds if not inspect.isabstract(kind)}


def test_every_exported_rule_has_a_case() -> None:
    assert len(concrete_rules()) > 10
    assert concrete_rules() <= {type(case.rule) for case in CASES.values()}


def test_every_activation_has_a_case_of_its_name() -> None:
    assert activations().keys() <= CASES.keys()
    assert all(type(CASES[name].rule) is rule for name, rule in activations().items())


# --- drawing -------------------------------------------------------------------------------------


@every_case
def test_the_generator_decides_what_is_drawn(name: str) -> None:
    assert same(drawn(name), drawn(name))
    assert not same(drawn(name), drawn(name, seed=2))


@every_case
def test_a_generator_goes_on(name: str) -> None:
    generator = Generator().manual_seed(1)
    first, second = CASES[name].draw(generator), CASES[name].draw(generator)
    assert same(first, drawn(name))
    assert not same(first, second)


@every_case
def test_drawing_leaves_the_global_generator_alone(name: str) -> None:
    before = torch.get_rng_state()
    drawn(name)
    assert torch.equal(torch.get_rng_state(), before)


@every_lead
@every_case
def test_everything_has_the_leading_dimensions(name: str, lead: Shape) -> None:
    alone, stack = tensors(drawn(name)), tensors(drawn(name, lead))
    assert stack.keys() == alone.keys()
    for key, tensor in stack.items():
        assert tensor.shape == lead + alone[key].shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@every_case
def test_floats_are_of_the_type_asked_for(name: str, dtype: torch.dtype) -> None:
    for tensor in tensors(drawn(name, dtype=dtype)).values():
        assert tensor.dtype == (dtype if tensor.is_floating_point() else torch.int64)
        assert not tensor.requires_grad


@every_case
def test_the_parameters_are_the_rules(name: str) -> None:
    point = drawn(name)
    assert {key: tuple(p.shape) for key, p in point.params.items()} == point.rule.shapes()
    assert point.constants.keys() == point.rule.buffers().keys()
    assert all(constant.gt(0).all() for constant in point.constants.values())


@every_case
def test_inputs_lie_away_from_the_kink_at_zero(name: str) -> None:
    """Further than any step of a central difference."""
    assert all(x.abs().min() > 0.05 for x in drawn(name, (2, 3)).inputs.values())


@every_lead
@every_case
def test_integers_lie_within_their_bound(name: str, lead: Shape) -> None:
    if CASES[name].integers is not None:
        _, bound = CASES[name].integers
        integers = drawn(name, lead).given[-1]
        assert integers.min() >= 0
        assert integers.max() < bound


def test_targets_are_given_and_not_free() -> None:
    point = drawn("mean_squared_error")
    assert list(point.free) == ["x0"]
    assert [tuple(tensor.shape) for tensor in point.given] == [(ROWS, FEATURES)]
    assert list(drawn("residual").free) == ["x0", "x1"]


# --- a point -------------------------------------------------------------------------------------


@every_lead
@every_case
def test_dy_has_the_outputs_shape(name: str, lead: Shape) -> None:
    point = drawn(name, lead)
    assert point.dy.shape == point.forward(point.free)["y"].shape


@pytest.mark.parametrize("fused", [False, True])
@every_case
def test_pulling_back_names_every_free_tensor(name: str, fused: bool) -> None:
    point = drawn(name)
    deltas = point.pull_back(point.free, point.dy, fused=fused)
    assert {key: deltas[key].shape for key in point.free} == {
        key: tensor.shape for key, tensor in point.free.items()
    }


def test_the_forward_is_that_of_the_values_given() -> None:
    point = Case(Linear(FEATURES, 3)).draw(Generator().manual_seed(1))
    free = {key: torch.ones_like(tensor) for key, tensor in point.free.items()}
    assert point.forward(free)["y"].eq(FEATURES + 1).all()


class Forms(LayerNorm):
    """Tells its two forms apart."""

    def backward(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        return torch.ones_like(dy), {}

    def backward_fused(self, params: Tensors, saved: Tensors, dy: Tensor) -> tuple[Tensor, Tensors]:
        return torch.zeros_like(dy), {}


@pytest.mark.parametrize("fused", [False, True])
def test_pulling_back_asks_the_form_named(fused: bool) -> None:
    point = Case(Forms(FEATURES)).draw(Generator().manual_seed(1))
    assert point.pull_back(point.free, point.dy, fused=fused)["x0"].eq(float(not fused)).all()
