"""Specification of norms and update ratios, against loops over the elements."""

import math

import pytest
import torch
from torch import Tensor

from ninja.probes import Block, copied, parameter_blocks, update_ratio
from ninja.probes.names import matrices, names_of
from ninja.types import Params
from tests.probes.steps import CONFIGS, DTYPES, LR, REPLICAS, normal, one_of, step

Found = dict[tuple[str, str, str], Tensor]


def collected(blocks: list[Block]) -> Found:
    """By node, tensor and column; no cell may be there twice."""
    found: Found = {}
    for block in blocks:
        for cell, value in zip(block.cells(), block.values.unbind(), strict=True):
            assert tuple(cell) not in found
            found[tuple(cell)] = value
    return found


def norm(tensor: Tensor) -> float:
    return math.sqrt(math.fsum(value * value for value in tensor.flatten().tolist()))


def std(tensor: Tensor) -> float:
    values = tensor.flatten().tolist()
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_every_parameter_has_its_norms_and_every_matrix_its_ratio(
    config: str, dtype: torch.dtype
) -> None:
    s = step(config, dtype=dtype)
    before, after, deltas = s.params_before, s.params_after, s.deltas
    found = collected(parameter_blocks(before, after, deltas, 0))
    expected: dict[tuple[str, str, str], float] = {}
    for node, key in names_of(before):
        expected[node, key, "grad_norm"] = norm(deltas[node][key])
        expected[node, key, "weight_norm"] = norm(before[node][key])
    for node, key in matrices(before, 0):
        w, moved = before[node][key], after[node][key] - before[node][key]
        expected[node, key, "update_ratio"] = math.log10(std(moved) / std(w))
    assert found.keys() == expected.keys()
    for cell, value in expected.items():
        assert found[cell].item() == pytest.approx(value, rel=1e-6, abs=1e-6 * (dtype.itemsize < 8))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_replicas_numbers_are_its_own(config: str, dtype: torch.dtype) -> None:
    s = step(config, dtype=dtype, replicas=REPLICAS)
    found = collected(parameter_blocks(s.params_before, s.params_after, s.deltas, 1))
    for replica in range(REPLICAS):
        own = one_of(s, replica)
        alone = collected(parameter_blocks(own.params_before, own.params_after, own.deltas, 0))
        assert found.keys() == alone.keys()
        for cell, value in found.items():
            assert value.shape == (REPLICAS,)
            torch.testing.assert_close(value[replica], alone[cell], rtol=1e-6, atol=1e-6)


def test_for_plain_sgd_the_ratio_is_the_lectures() -> None:
    s = step("lecture_deep", dtype=torch.float64)
    found = collected(parameter_blocks(s.params_before, s.params_after, s.deltas, 0))
    for node, key in matrices(s.params_before, 0):
        p, grad = s.params_before[node][key], s.deltas[node][key]
        lecture = (LR * grad.std() / p.std()).log10()
        torch.testing.assert_close(found[node, key, "update_ratio"], lecture)


@pytest.mark.parametrize("config", ["lecture_batchnorm", "layernorm"])
def test_norms_gains_and_biases_have_no_ratio(config: str) -> None:
    s = step(config)
    found = collected(parameter_blocks(s.params_before, s.params_after, s.deltas, 0))
    kinds = {(node.partition(".")[2], key) for node, key, c in found if c == "update_ratio"}
    assert kinds == {("embedding", "C"), ("linear", "W")}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([[1.0, 2.0], [3.0, 4.0]], -math.inf),  # did not move
        ([[1.5, 2.5], [3.5, 4.5]], -math.inf),  # moved as one
        ([[math.nan, 2.0], [3.0, 4.0]], math.nan),
        ([[math.inf, 2.0], [3.0, 4.0]], math.nan),
    ],
)
def test_ratios_that_are_no_number(after: list[list[float]], expected: float) -> None:
    before = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    found = update_ratio(before.flatten(), torch.tensor(after).flatten()).item()
    assert found == pytest.approx(expected, nan_ok=True)


def test_weights_that_are_all_equal_have_an_infinite_ratio() -> None:
    same = torch.full((6,), 0.5)
    assert update_ratio(same, same + normal(6)).item() == math.inf
    assert math.isnan(update_ratio(same, same).item())


def test_a_large_mean_does_not_spoil_the_deviation() -> None:
    before = normal(1000) * 1e-3 + 10
    after = before + normal(1000, seed=1) * 1e-3 + 1
    exact = math.log10(std(after.double() - before.double()) / std(before))
    assert update_ratio(before, after).item() == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize("power", [-100, -70, 30, 100])
def test_a_vanished_or_exploded_gradient_keeps_its_norm(power: int) -> None:
    params: Params = {"00.linear": {"W": normal(5, 4)}}
    deltas: Params = {"00.linear": {"W": normal(5, 4, seed=1) * 2.0**power}}
    expected = norm(deltas["00.linear"]["W"])
    found = collected(parameter_blocks(params, copied(params), deltas, 0))
    assert found["00.linear", "W", "grad_norm"].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_shows_and_stays_with_its_replica(broken: float) -> None:
    s = step("lecture_manual", replicas=REPLICAS)
    deltas, after = copied(s.deltas), copied(s.params_after)
    deltas["02.linear"]["W"][1, 0, 0] = broken
    after["02.linear"]["W"][1, 0, 0] = broken
    found = collected(parameter_blocks(s.params_before, after, deltas, 1))
    for column in ("grad_norm", "update_ratio"):
        value = found["02.linear", "W", column]
        assert value.isfinite().tolist() == [True, False, True]


def test_a_network_without_parameters_has_no_rows() -> None:
    assert parameter_blocks({"00.flatten": {}}, {"00.flatten": {}}, {}, 0) == []
