"""Specification of the comparison: of one tensor, and of a whole network's gradient."""

import math

import pytest
import torch
from torch import Tensor

from ninja.agreement import PASS, WRONG, compare, gap, verdict
from ninja.types import Params


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def next_float(tensor: Tensor) -> Tensor:
    """Every element moved by its last bit."""
    return torch.nextafter(tensor, torch.full_like(tensor, math.inf))


# --- one tensor ----------------------------------------------------------------------------------


def test_a_row_tells_the_tensors_name_and_shape() -> None:
    row = compare("W1", *[normal(30, 64)] * 3)
    assert (row.name, row.shape) == ("W1", (30, 64))


def test_equal_is_exact() -> None:
    row = compare("t", normal(4, 3), normal(4, 3), normal(4, 3))
    assert (row.exact, row.approx, row.maxdiff, row.wrong) == (True, True, 0.0, False)


def test_the_last_bit_is_approximate_and_not_exact() -> None:
    delta = normal(4, 3)
    row = compare("t", delta, next_float(delta), delta)
    assert (row.exact, row.approx, row.wrong) == (False, True, False)
    assert 0 < row.maxdiff < 1e-6


def test_one_wrong_element_is_wrong_and_tells_its_distance() -> None:
    delta = torch.zeros(4, 3)
    reference = delta.clone()
    reference[2, 1] = -0.5
    row = compare("t", delta, delta, reference)
    assert (row.exact, row.approx, row.maxdiff, row.wrong) == (False, False, 0.5, True)


@pytest.mark.parametrize("which", ["delta", "reference", "both"])
def test_a_row_against_a_vector_is_wrong_and_never_broadcast(which: str) -> None:
    """A (64,) where (1, 64) is due would pass `allclose`."""
    tensor, vector = torch.ones(1, 64), torch.ones(64)
    assert torch.allclose(tensor, vector)
    row = compare(
        "bngain",
        tensor,
        vector if which != "reference" else tensor,
        vector if which != "delta" else tensor,
    )
    assert (row.shape, row.exact, row.approx, row.wrong) == ((1, 64), False, False, True)
    assert math.isnan(row.maxdiff)


@pytest.mark.parametrize("shape", [(64, 64), (1,), (), (2, 32), (64, 1)])
def test_no_other_shape_fits_either(shape: tuple[int, ...]) -> None:
    row = compare("t", torch.ones(64), torch.ones(shape), torch.ones(64))
    assert (row.exact, row.approx) == (False, False)


@pytest.mark.parametrize("which", ["delta", "reference", "both"])
def test_not_a_number_is_wrong(which: str) -> None:
    fine, broken = torch.ones(3), torch.tensor([1.0, math.nan, 1.0])
    row = compare(
        "t",
        fine,
        broken if which != "reference" else fine,
        broken if which != "delta" else fine,
    )
    assert (row.exact, row.approx, row.wrong) == (False, False, True)
    assert math.isnan(row.maxdiff)


@pytest.mark.parametrize("broken", ["delta", "reference"])
def test_infinity_against_a_number_is_wrong(broken: str) -> None:
    sides = {"delta": torch.ones(2), "reference": torch.ones(2)}
    sides[broken] = torch.tensor([1.0, math.inf])
    row = compare("t", torch.ones(2), **sides)
    assert (row.exact, row.approx, row.maxdiff, row.wrong) == (False, False, math.inf, True)


def test_rounding_next_to_a_large_delta_is_not_wrong() -> None:
    """`allclose` compares each element with itself, and a large gradient rounds them all."""
    reference = torch.tensor([1000.0, 0.0])
    row = compare("t", reference, torch.tensor([1000.0, 1e-4]), reference)
    assert (row.exact, row.approx, row.size, row.wrong) == (False, False, 1000.0, False)
    assert compare("t", reference, torch.tensor([1000.0, 0.1]), reference).wrong


def test_a_tensor_that_cancels_is_measured_by_what_surrounds_it() -> None:
    """The true delta of a bias under BatchNorm is zero: what is computed is rounding alone."""
    reference, delta = torch.tensor([1e-6]), torch.tensor([-1e-6])
    assert compare("b1", reference, delta, reference).wrong
    row = compare("b1", reference, delta, reference, scale=1.0)
    assert (row.size, row.scale, row.wrong) == (pytest.approx(1e-6), 1.0, False)


def test_tensors_without_elements_agree() -> None:
    row = compare("t", *[torch.empty(0, 3)] * 3)
    assert (row.exact, row.approx, row.maxdiff) == (True, True, 0.0)


def test_a_single_number_is_compared_too() -> None:
    assert compare("loss", *[torch.tensor(3.3)] * 3).exact
    assert compare("loss", torch.tensor(1.0), torch.tensor(1.0), torch.tensor(2.0)).wrong


# --- a whole gradient ----------------------------------------------------------------------------


def gradient(seed: int, scale: float = 1.0, lead: tuple[int, ...] = ()) -> Params:
    """A made-up gradient of two nodes, of the size of `scale`."""
    return {
        "00.embedding": {"C": normal(*lead, 27, 10, seed=seed) * scale},
        "01.linear": {
            "W": normal(*lead, 30, 8, seed=seed + 100) * scale,
            "b": normal(*lead, 8, seed=seed + 200) * scale,
        },
    }


def combined(first: Params, second: Params, share: float) -> Params:
    """First + share·second."""
    return {
        node: {key: tensor + share * second[node][key] for key, tensor in tensors.items()}
        for node, tensors in first.items()
    }


def flat(params: Params) -> Tensor:
    return torch.cat([t.flatten() for tensors in params.values() for t in tensors.values()])


def test_the_gap_is_the_norm_of_the_difference_over_the_norm() -> None:
    reference = gradient(1)
    deltas = combined(reference, gradient(2), 1e-3)
    expected = (flat(deltas) - flat(reference)).norm() / flat(reference).norm()
    measured = gap(deltas, reference, reference)
    assert measured.shape == ()
    assert measured.item() == pytest.approx(expected.item(), rel=1e-6)
    assert 1e-4 < measured.item() < 1e-2


def test_no_difference_is_no_gap() -> None:
    assert gap(gradient(1), gradient(1), gradient(1)).item() == 0.0


@pytest.mark.parametrize("power", [-100, -60, -20, 20, 60, 100])
@pytest.mark.parametrize("share", [1e-3, 1.0])
def test_the_gap_knows_no_scale(power: int, share: float) -> None:
    """A vanished or an exploded gradient is as wrong as any other; powers of two round nothing."""

    def at(scale: float) -> float:
        reference = gradient(1, scale)
        return gap(combined(reference, gradient(2, scale), share), reference, reference).item()

    assert at(2.0**power) == pytest.approx(at(1.0), rel=1e-5)


def test_only_the_parameters_are_compared() -> None:
    reference = gradient(1)
    deltas = {node: {"y": torch.full((3,), math.nan), **own} for node, own in gradient(1).items()}
    assert gap(deltas, reference, reference).item() == 0.0


def test_a_zero_gradient_in_one_tensor_does_not_spoil_the_rest() -> None:
    """A bias under BatchNorm: true delta 0, computed 1e-9; relative to itself that is infinite."""
    reference, deltas = gradient(1), gradient(1)
    reference["01.linear"]["b"] = torch.zeros(8)
    deltas["01.linear"]["b"] = torch.full((8,), 1e-9)
    assert 0 < gap(deltas, reference, reference).item() < 1e-9


def test_nothing_against_nothing_is_no_gap() -> None:
    assert gap(gradient(1, 0.0), gradient(1, 0.0), gradient(1)).item() == 0.0


def test_anything_against_nothing_is_infinite() -> None:
    assert gap(gradient(1), gradient(1, 0.0), gradient(1)).item() == math.inf


def test_nothing_against_something_is_all_of_it() -> None:
    assert gap(gradient(1, 0.0), gradient(1), gradient(1)).item() == 1.0


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("side", ["deltas", "reference"])
def test_a_gradient_that_is_no_number_is_wrong(broken: float, side: str) -> None:
    sides = {"deltas": gradient(1), "reference": gradient(1)}
    sides[side]["01.linear"]["W"][3, 3] = broken
    assert verdict(gap(**sides, params=gradient(1)).item()) == "wrong"


def test_each_replica_has_its_own_gap() -> None:
    reference = gradient(1, lead=(4,))
    deltas = combined(reference, gradient(2, lead=(4,)), 0.0)
    deltas["01.linear"]["W"][2] *= 1.5
    deltas["00.embedding"]["C"][3, 0, 0] = math.nan
    measured = gap(deltas, reference, reference, lead=1)
    assert measured.shape == (4,)
    assert measured[:2].tolist() == [0.0, 0.0]
    assert 0.1 < measured[2].item() < 0.5
    assert math.isnan(measured[3].item())


def test_a_replicas_gap_is_that_of_it_alone() -> None:
    reference = gradient(1, lead=(4,))
    deltas = combined(reference, gradient(2, lead=(4,)), 1e-3)
    together = gap(deltas, reference, reference, lead=1)
    for replica in range(4):
        own, of = (
            {node: {key: t[replica] for key, t in tensors.items()} for node, tensors in p.items()}
            for p in (deltas, reference)
        )
        assert together[replica].item() == pytest.approx(gap(own, of, of).item(), rel=1e-6)


# --- what it means -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        (0.0, "pass"),
        (6e-8, "pass"),
        (math.nextafter(PASS, 0), "pass"),
        (PASS, "suspicious"),
        (5e-6, "suspicious"),
        (WRONG, "suspicious"),
        (math.nextafter(WRONG, 1), "wrong"),
        (7.5e-5, "wrong"),
        (math.inf, "wrong"),
        (math.nan, "wrong"),
    ],
)
def test_verdicts(value: float, meaning: str) -> None:
    assert verdict(value) == meaning


def test_the_bounds_are_the_designs() -> None:
    assert (PASS, WRONG) == (1e-6, 1e-5)
