"""What is particular to the losses: maxima, confidence, overflow, refusals, replicas."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor
from torch.nn import functional

from ninja.errors import DataError, NinjaError, ShapeError
from ninja.rules import CrossEntropy, MeanSquaredError, intermediates
from ninja.types import Tensors
from tests.faults import fault_of
from tests.rules.settings import autograd, leaves

ROWS, CLASSES = 8, 5
ONE = torch.ones((), dtype=torch.float64)
RULE = CrossEntropy()

every_form = pytest.mark.parametrize("fused", [False, True], ids=["atomic", "fused"])


def logits(scale: float = 1.0, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = Generator().manual_seed(seed)
    return scale * torch.randn(ROWS, CLASSES, generator=generator, dtype=dtype)


def targets() -> Tensor:
    return torch.arange(ROWS) % CLASSES


def loss_and_delta(given: Tensor, target: Tensor, fused: bool) -> tuple[Tensor, Tensor]:
    saved = RULE.forward({}, given, target)
    backward = RULE.backward_fused if fused else RULE.backward
    dlogits, _ = backward({}, saved, torch.ones_like(saved["y"]))
    assert isinstance(dlogits, Tensor)
    return saved["y"], dlogits


def with_autograd(given: Tensor, target: Tensor) -> tuple[Tensors, Tensors]:
    """Our step-by-step deltas, and autograd's of the same forward."""
    free = leaves({"logits": given})
    saved = RULE.forward({}, free["logits"], target)
    dy = torch.ones_like(saved["y"])
    expected = autograd(saved["y"], free | dict(intermediates(saved)), dy)
    with torch.no_grad():
        dlogits, deltas = RULE.backward({}, saved, dy)
    return deltas | {"logits": dlogits, "y": dy}, expected


def assert_same_bits(given: Tensor, target: Tensor) -> Tensors:
    ours, expected = with_autograd(given, target)
    assert ours.keys() == expected.keys()
    assert all(torch.equal(ours[name], expected[name]) for name in expected)
    return ours


# --- the maxima ----------------------------------------------------------------------------------


@every_form
@given(shift=st.floats(-1e3, 1e3))
def test_a_constant_added_to_a_rows_logits_changes_nothing(fused: bool, shift: float) -> None:
    shifts = torch.zeros(ROWS, 1, dtype=torch.float64)
    shifts[3] = shift
    loss, delta = loss_and_delta(logits(), targets(), fused)
    shifted_loss, shifted_delta = loss_and_delta(logits() + shifts, targets(), fused)
    torch.testing.assert_close(shifted_loss, loss, rtol=1e-11, atol=0)
    torch.testing.assert_close(shifted_delta, delta, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 1e-8), (torch.float64, 1e-16)])
def test_the_maximas_delta_is_there_is_autograds_and_is_next_to_nothing(
    dtype: torch.dtype, rounding: float
) -> None:
    generator = Generator().manual_seed(1)
    given = torch.randn(32, 27, generator=generator, dtype=dtype)
    maxima = assert_same_bits(given, torch.arange(32) % 27)["logit_maxes"]
    assert maxima.shape == (32, 1)
    assert 0 < maxima.abs().max().item() < rounding


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("step", [0.0, 1.0])
def test_ties_in_the_maximum_have_autograds_bits(step: float, dtype: torch.dtype) -> None:
    """Whole rows of equal logits, or of a few values: the maxima's delta goes to one place."""
    given = (step * logits(dtype=dtype)).round()
    tied = given == given.amax(-1, keepdim=True)
    assert (tied.sum(-1) > 1).any()
    assert_same_bits(given, targets())


@every_form
def test_equal_logits_push_every_class_alike(fused: bool) -> None:
    loss, delta = loss_and_delta(torch.zeros(1, 4, dtype=torch.float64), torch.tensor([2]), fused)
    assert loss.item() == pytest.approx(math.log(4), rel=1e-15)
    assert delta.tolist()[0] == pytest.approx([0.25, 0.25, -0.75, 0.25], rel=1e-15)


# --- the size of the logits ----------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e2, 1e4, 1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_logits_do_not_overflow(dtype: torch.dtype, scale: float) -> None:
    """The target has the largest: the loss is finite, and so is the closed form's delta."""
    given = logits(scale, dtype=dtype)
    loss, delta = loss_and_delta(given, given.argmax(-1), fused=True)
    torch.testing.assert_close(loss, functional.cross_entropy(given, given.argmax(-1)))
    assert delta.isfinite().all()


def test_the_closed_form_is_torchs_where_probabilities_underflow() -> None:
    given = leaves({"logits": logits(1e4)})
    expected = autograd(functional.cross_entropy(given["logits"], targets()), given, ONE)["logits"]
    saved = RULE.forward({}, logits(1e4), targets())
    assert saved["probs"].eq(0).any()
    dlogits, _ = RULE.backward_fused({}, saved, ONE)
    torch.testing.assert_close(dlogits, expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("scale", [10.0, 100.0])
@every_form
def test_both_forms_are_torchs_where_probabilities_are_small(fused: bool, scale: float) -> None:
    given = leaves({"logits": logits(scale)})
    expected = autograd(functional.cross_entropy(given["logits"], targets()), given, ONE)["logits"]
    _, delta = loss_and_delta(logits(scale), targets(), fused)
    torch.testing.assert_close(delta, expected, rtol=1e-10, atol=1e-15)


@every_form
def test_at_full_confidence_there_is_no_gradient(fused: bool) -> None:
    given = torch.zeros(ROWS, CLASSES, dtype=torch.float64)
    given.scatter_(-1, targets().unsqueeze(-1), 100.0)
    loss, delta = loss_and_delta(given, targets(), fused)
    assert loss.item() == 0
    assert delta.abs().max().item() < 1e-40


# --- the closed form's meaning -------------------------------------------------------------------


@every_form
@pytest.mark.parametrize("scale", [1e-3, 1.0, 10.0])
def test_a_rows_deltas_sum_to_zero(fused: bool, scale: float) -> None:
    _, delta = loss_and_delta(logits(scale), targets(), fused)
    assert delta.sum(-1).abs().max().item() < 1e-15
    assert delta.abs().max().item() > 1e-3


@every_form
@pytest.mark.parametrize("classes", [2, 5, 27])
@pytest.mark.parametrize("p", [0.01, 0.3, 0.9])
def test_a_samples_norm_when_the_rest_is_uniform(p: float, classes: int, fused: bool) -> None:
    """(1 − p)·√(1 + 1/(C − 1)): what is missing, pulled at the target and pushed at the rest."""
    probs = torch.full((1, classes), (1 - p) / (classes - 1), dtype=torch.float64)
    probs[0, 1] = p
    _, delta = loss_and_delta(probs.log(), torch.tensor([1]), fused)
    assert delta.norm().item() == pytest.approx(
        (1 - p) * math.sqrt(1 + 1 / (classes - 1)), rel=1e-13
    )


@every_form
def test_the_loss_is_a_mean_over_the_rows(fused: bool) -> None:
    loss, delta = loss_and_delta(logits(), targets(), fused)
    twice = loss_and_delta(logits().repeat(2, 1), targets().repeat(2), fused)
    torch.testing.assert_close(twice[0], loss)
    torch.testing.assert_close(twice[1], delta.repeat(2, 1) / 2)


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [CLASSES, 100, -1])
@pytest.mark.parametrize("lead", [(), (2,)], ids=str)
def test_a_target_outside_the_vocabulary_is_refused(lead: tuple[int, ...], target: int) -> None:
    wrong = targets().expand(*lead, ROWS).clone()
    wrong.view(-1)[0] = target
    given = logits().expand(*lead, ROWS, CLASSES)
    assert str(CLASSES - 1) in fault_of(lambda: RULE.forward({}, given, wrong), DataError)


@pytest.mark.parametrize(
    "shape", [(ROWS - 1,), (ROWS + 1,), (1,), (), (ROWS, 1), (1, ROWS), (ROWS, CLASSES)], ids=str
)
def test_targets_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    wrong = torch.zeros(shape, dtype=torch.int64)
    message = fault_of(lambda: RULE.forward({}, logits(), wrong), ShapeError)
    assert str(shape) in message


def test_targets_that_are_no_integers_are_not_said_to_lie_outside() -> None:
    with pytest.raises((NinjaError, RuntimeError, TypeError)) as caught:
        RULE.forward({}, logits(), targets().double())
    assert "outside the vocabulary" not in str(caught.value)


@pytest.mark.parametrize(
    "shape", [(ROWS, 1), (1, CLASSES), (CLASSES,), (), (1, ROWS, CLASSES), (CLASSES, ROWS)], ids=str
)
def test_the_squared_errors_targets_are_never_broadcast(shape: tuple[int, ...]) -> None:
    wrong = torch.zeros(shape, dtype=torch.float64)
    message = fault_of(lambda: MeanSquaredError().forward({}, logits(), wrong), ShapeError)
    assert str(shape) in message


# --- the squared error ---------------------------------------------------------------------------


@every_form
def test_a_squared_error_by_hand(fused: bool) -> None:
    rule = MeanSquaredError()
    saved = rule.forward({}, torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 5.0]]))
    assert saved["y"].item() == (1 + 9) / 2
    backward = rule.backward_fused if fused else rule.backward
    dx, _ = backward({}, saved, torch.tensor(1.0))
    assert dx.tolist() == [[2 * 1 / 2, 2 * -3 / 2]]


@every_form
def test_a_squared_error_of_nothing_has_no_gradient(fused: bool) -> None:
    rule = MeanSquaredError()
    saved = rule.forward({}, logits(), logits())
    backward = rule.backward_fused if fused else rule.backward
    dx, _ = backward({}, saved, ONE)
    assert saved["y"].item() == 0
    assert not dx.any()


# --- replicas ------------------------------------------------------------------------------------


@every_form
@pytest.mark.parametrize("lead", [(), (1,), (3,), (2, 3)], ids=str)
def test_every_replica_has_a_loss_of_its_own(lead: tuple[int, ...], fused: bool) -> None:
    """And dy weighs each replica's deltas alone."""
    given = logits().expand(*lead, ROWS, CLASSES)
    for rule, target in [
        (RULE, targets().expand(*lead, ROWS)),
        (MeanSquaredError(), logits(seed=2).expand(*lead, ROWS, CLASSES)),
    ]:
        saved = rule.forward({}, given, target)
        assert saved["y"].shape == lead
        backward = rule.backward_fused if fused else rule.backward
        weights = torch.arange(1.0, 1 + math.prod(lead), dtype=torch.float64).view(lead)
        dx, _ = backward({}, saved, weights)
        once, _ = backward({}, saved, torch.ones_like(weights))
        torch.testing.assert_close(dx, once * weights[..., None, None])
