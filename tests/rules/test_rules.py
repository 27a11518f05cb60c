"""Specification of every rule at once: what torch computes, in both forms, bit for bit."""

import inspect
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

import ninja.rules
from ninja.cases import Point
from ninja.identities import TOLERANCE, identities
from ninja.rules import Rule, activations, intermediates
from ninja.types import Shape, Tensors
from tests.rules.settings import (
    SETTINGS,
    Draw,
    Setting,
    apply_twin,
    autograd,
    distance,
    leaves,
    replica,
)

Recorder = Callable[[str, object], None]

LEADS: list[Shape] = [(), (1,), (4,), (2, 3)]
DTYPES = [torch.float32, torch.float64]
FORWARD = {torch.float32: (1e-5, 1e-6), torch.float64: (1e-12, 1e-14)}
BACKWARD = {torch.float32: (1e-4, 1e-5), torch.float64: (1e-10, 1e-13)}

every_rule = pytest.mark.parametrize("name", SETTINGS)
every_form = pytest.mark.parametrize("fused", [False, True], ids=["atomic", "fused"])
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)
every_lead = pytest.mark.parametrize("lead", LEADS, ids=str)


def point_of(name: str, lead: Shape, dtype: torch.dtype) -> Point:
    return SETTINGS[name].point(Draw(lead=lead, dtype=dtype))


def bits(tensors: Tensors) -> dict[str, bytes]:
    """What is in memory: −0 is not 0, and not a number is itself."""
    return {name: t.detach().contiguous().numpy().tobytes() for name, t in tensors.items()}


# --- every rule is tested ------------------------------------------------------------------------


def exported_rules() -> set[type[Rule]]:
    exported = (getattr(ninja.rules, name) for name in ninja.rules.__all__)
    classes = {kind for kind in exported if inspect.isclass(kind) and issubclass(kind, Rule)}
    return {kind for kind in classes if not inspect.isabstract(kind)}


def test_every_exported_rule_has_a_setting() -> None:
    assert len(exported_rules()) > 10
    assert exported_rules() <= {type(setting.rule(4)) for setting in SETTINGS.values()}


def test_every_activation_has_a_setting_of_its_name() -> None:
    missing = activations().keys() - SETTINGS.keys()
    assert not missing
    assert all(type(SETTINGS[name].rule(4)) is rule for name, rule in activations().items())


# --- what torch computes -------------------------------------------------------------------------


@every_lead
@every_dtype
@every_rule
def test_forward_is_torchs(name: str, dtype: torch.dtype, lead: Shape) -> None:
    point = point_of(name, lead, dtype)
    y = point.forward(point.free)["y"]
    rtol, atol = FORWARD[dtype]
    for index in np.ndindex(lead):
        run = replica(point, index)
        twin = apply_twin(SETTINGS[name], run, run.free)
        torch.testing.assert_close(y[index], twin, rtol=rtol, atol=atol)


@every_lead
@every_dtype
@every_form
@every_rule
def test_deltas_are_torchs(name: str, fused: bool, dtype: torch.dtype, lead: Shape) -> None:
    point = point_of(name, lead, dtype)
    deltas = point.pull_back(point.free, point.dy, fused=fused)
    rtol, atol = BACKWARD[dtype]
    for index in np.ndindex(lead):
        run = replica(point, index)
        free = leaves(run.free)
        twin = autograd(apply_twin(SETTINGS[name], run, free), free, run.dy)
        ours = {key: deltas[key][index] for key in free}
        torch.testing.assert_close(ours, twin, rtol=rtol, atol=atol)


@every_lead
@every_dtype
@every_rule
def test_step_by_step_has_autograds_bits(name: str, dtype: torch.dtype, lead: Shape) -> None:
    """Of the same forward: the input, the parameters, and everything in between."""
    point = point_of(name, lead, dtype)
    free = leaves(point.free)
    saved = point.forward(free)
    watched = free | dict(intermediates(saved))
    expected = autograd(saved["y"], watched, point.dy)
    with torch.no_grad():
        ours = point.pull_back(free, point.dy, fused=False) | {"y": point.dy}
    assert ours.keys() == expected.keys()
    differ = {key for key in expected if not torch.equal(ours[key], expected[key])}
    assert not differ


# --- the form of an answer -----------------------------------------------------------------------


@every_lead
@every_dtype
@every_form
@every_rule
def test_a_delta_has_its_tensors_shape_and_dtype(
    name: str, fused: bool, dtype: torch.dtype, lead: Shape
) -> None:
    point = point_of(name, lead, dtype)
    tensors = point.free | point.forward(point.free)
    for key, delta in point.pull_back(point.free, point.dy, fused=fused).items():
        assert (delta.shape, delta.dtype) == (tensors[key].shape, dtype), key


@every_rule
def test_step_by_step_reaches_every_intermediate_in_reverse(name: str) -> None:
    point = point_of(name, (), torch.float64)
    saved = dict(intermediates(point.forward(point.free)))
    deltas = point.pull_back(point.free, point.dy, fused=False)
    assert deltas.keys() == (point.free | saved).keys() - {"y"}
    assert [key for key in deltas if key in saved] == [key for key in reversed(saved) if key != "y"]


@every_form
@every_rule
def test_every_input_and_parameter_has_a_delta(name: str, fused: bool) -> None:
    point = point_of(name, (), torch.float64)
    deltas = point.pull_back(point.free, point.dy, fused=fused)
    assert deltas.keys() >= point.free.keys()


@every_lead
@every_rule
def test_the_output_is_saved_last(name: str, lead: Shape) -> None:
    point = point_of(name, lead, torch.float64)
    assert list(point.forward(point.free))[-1] == "y"


# --- purity --------------------------------------------------------------------------------------


@every_lead
@every_dtype
@every_rule
def test_nothing_that_is_read_is_changed(name: str, dtype: torch.dtype, lead: Shape) -> None:
    point = point_of(name, lead, dtype)
    params = point.params | point.constants
    inputs = [*point.inputs.values(), *point.given]
    read = params | {f"input {i}": x for i, x in enumerate(inputs)} | {"dy": point.dy}
    before = bits(read)
    saved = point.rule.forward(params, *inputs)
    assert bits(read) == before
    kept, names = bits(saved), list(params)
    for backward in (point.rule.backward, point.rule.backward_fused):
        backward(params, saved, point.dy)
        assert bits(read) == before
        assert bits(saved) == kept
        assert list(params) == names


@every_form
@every_rule
def test_the_same_question_has_the_same_answer(name: str, fused: bool) -> None:
    point = point_of(name, (4,), torch.float32)
    first = point.pull_back(point.free, point.dy, fused=fused)
    assert bits(first) == bits(point.pull_back(point.free, point.dy, fused=fused))


def other_strides(tensor: Tensor) -> Tensor:
    """The same values, every second of a larger tensor."""
    return torch.stack([tensor, torch.zeros_like(tensor)], -1)[..., 0]


@every_form
@pytest.mark.parametrize("lead", [(), (2, 3)], ids=str)
@every_rule
def test_strides_do_not_matter(name: str, lead: Shape, fused: bool) -> None:
    point = point_of(name, lead, torch.float64)
    strided = replace(
        point,
        inputs={key: other_strides(tensor) for key, tensor in point.inputs.items()},
        given=tuple(other_strides(tensor) for tensor in point.given),
        params={key: other_strides(tensor) for key, tensor in point.params.items()},
        constants={key: other_strides(tensor) for key, tensor in point.constants.items()},
        dy=other_strides(point.dy),
    )
    ours = strided.pull_back(strided.free, strided.dy, fused=fused)
    torch.testing.assert_close(ours, point.pull_back(point.free, point.dy, fused=fused))


# --- stacks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [(1,), (4,), (2, 3)], ids=str)
@every_dtype
@every_form
@every_rule
def test_a_stack_is_its_replicas_one_by_one(
    name: str, fused: bool, dtype: torch.dtype, lead: Shape, record_property: Recorder
) -> None:
    """With the same bits where the rule is exact; the others are closer than a float32's digit."""
    point = point_of(name, lead, dtype)
    stack, same_bits = output_and_deltas(point, fused), True
    for index in np.ndindex(lead):
        alone = output_and_deltas(replica(point, index), fused)
        ours = {key: tensor[index] for key, tensor in stack.items()}
        assert ours.keys() == alone.keys()
        assert all(close(ours[key], alone[key]) for key in alone)
        same_bits &= all(torch.equal(ours[key], alone[key]) for key in alone)
    record_property("same_bits", same_bits)
    assert same_bits or not SETTINGS[name].exact


def output_and_deltas(point: Point, fused: bool) -> Tensors:
    y = point.forward(point.free)["y"]
    return point.pull_back(point.free, point.dy, fused=fused) | {"y": y}


def close(ours: Tensor, alone: Tensor) -> bool:
    """1e-6 of the largest; the logit maxima's delta is a rounding of zero in either."""
    return distance(ours, alone) <= 1e-6 or max(ours.abs().max(), alone.abs().max()) < 1e-7


# --- properties ----------------------------------------------------------------------------------

EXAMPLES = settings(max_examples=20)
SIGNED = st.floats(0.1, 10).flatmap(lambda a: st.sampled_from([a, -a]))


@st.composite
def points(draw: st.DrawFn, setting: Setting) -> Point:
    """Random rows, features and values, from tiny to large inputs."""
    least_rows, least_features = setting.least
    scales = [scale for scale in (1e-3, 1e-2, 0.1, 1.0, 10.0, 1e2, 1e3) if scale <= setting.largest]
    return setting.point(
        Draw(
            Generator().manual_seed(draw(st.integers(0, 2**32))),
            rows=draw(st.integers(least_rows, 9)),
            features=draw(st.integers(least_features, 7)),
            scale=draw(st.sampled_from(scales)),
        )
    )


@every_form
@every_rule
def test_the_backward_is_linear_in_dy(name: str, fused: bool) -> None:
    @EXAMPLES
    @given(point=points(SETTINGS[name]), a=SIGNED, b=SIGNED, seed=st.integers(0, 2**32))
    def holds(point: Point, a: float, b: float, seed: int) -> None:
        generator = Generator().manual_seed(seed)
        other = torch.randn(point.dy.shape, generator=generator, dtype=point.dy.dtype)
        first = point.pull_back(point.free, point.dy, fused=fused)
        second = point.pull_back(point.free, other, fused=fused)
        both = point.pull_back(point.free, a * point.dy + b * other, fused=fused)
        for key, delta in both.items():
            size = max((a * first[key]).abs().max().item(), (b * second[key]).abs().max().item())
            rounding = 1e-14 * (abs(a) + abs(b))  # of the logit maxima's delta there is no more
            error = (delta - (a * first[key] + b * second[key])).abs().max().item()
            assert error <= 1e-10 * size + rounding, key

    holds()


@every_rule
def test_both_forms_agree(name: str) -> None:
    @EXAMPLES
    @given(point=points(SETTINGS[name]))
    def holds(point: Point) -> None:
        atomic = point.pull_back(point.free, point.dy, fused=False)
        fused = point.pull_back(point.free, point.dy, fused=True)
        for key in point.free:
            assert distance(atomic[key], fused[key]) <= 1e-10, key

    holds()


@every_form
@every_rule
def test_identities_hold_at_any_point(name: str, fused: bool) -> None:
    @EXAMPLES
    @given(point=points(SETTINGS[name]))
    def holds(point: Point) -> None:
        for identity, value in identities(point, fused=fused).items():
            assert value < TOLERANCE, identity

    holds()


# --- sizes at which a norm's output is constant --------------------------------------------------

DEGENERATE = {
    "batchnorm": (2, 4),
    "batchnorm_biased": (2, 4),
    "layernorm": (6, 2),
    "rmsnorm": (6, 1),
}


@every_form
@pytest.mark.parametrize("scale", [1.0, 1e3])
@pytest.mark.parametrize("name", DEGENERATE)
def test_a_norm_of_too_few_values_passes_no_delta_back(
    name: str, scale: float, fused: bool
) -> None:
    """Two values become ±1 whatever they are (up to eps), so nothing reaches the input."""
    rows, features = DEGENERATE[name]
    point = SETTINGS[name].point(Draw(rows=rows, features=features, scale=scale))
    x, dx = point.inputs["x0"], point.pull_back(point.free, point.dy, fused=fused)["x0"]
    dim = -2 if name.startswith("batchnorm") else -1
    size = x.square().mean(dim, keepdim=True) if name == "rmsnorm" else x.var(dim, keepdim=True)
    passed = point.dy.abs().max() * point.params["gain"].abs().max() / size.sqrt()
    assert (dx.abs() <= 4 * passed * (1e-5 / size + 1e-15)).all()


@every_form
def test_layernorm_of_one_feature_is_its_bias(fused: bool) -> None:
    point = SETTINGS["layernorm"].point(Draw(features=1))
    y = point.forward(point.free)["y"]
    assert torch.equal(y, point.params["bias"].expand_as(y))
    assert not point.pull_back(point.free, point.dy, fused=fused)["x0"].any()


@pytest.mark.parametrize("name", ["batchnorm", "batchnorm_biased", "layernorm", "rmsnorm"])
def test_a_constant_input_gives_finite_deltas(name: str) -> None:
    """No variance at all: eps keeps the division possible."""
    point = SETTINGS[name].point(Draw())
    flat = point.free | {"x0": torch.zeros_like(point.inputs["x0"])}
    for fused in (False, True):
        deltas = point.pull_back(flat, point.dy, fused=fused)
        assert all(delta.isfinite().all() for delta in deltas.values())
