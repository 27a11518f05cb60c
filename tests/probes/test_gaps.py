"""Specification of the gap, node by node."""

import math

import numpy as np
import pytest
import torch

from ninja.agreement import gap
from ninja.engines import engine
from ninja.probes import Gaps, Values, copied
from ninja.types import Deltas, Params
from tests.probes.steps import CONFIGS, DTYPES, REPLICAS, normal, of_blocks, one_of, step


def gradient(seed: int, scale: float = 1.0) -> Params:
    return {
        "00.embedding": {"C": normal(7, 3, seed=seed) * scale},
        "01.flatten": {},
        "02.linear": {
            "W": normal(9, 4, seed=seed + 100) * scale,
            "b": normal(4, seed=seed + 200) * scale,
        },
    }


def elements(params: Params, node: str) -> list[float]:
    return [v for tensor in params[node].values() for v in tensor.flatten().tolist()]


def combined(first: Params, second: Params, share: float) -> Params:
    return {
        node: {key: tensor + share * second[node][key] for key, tensor in tensors.items()}
        for node, tensors in first.items()
    }


def by_node(deltas: Deltas, reference: Deltas, params: Params, lead: int) -> dict[str, Values]:
    """The nodes' gaps; the network's is checked on the way."""
    found = Gaps(params, lead)(deltas, reference)
    total = gap(deltas, reference, params, lead).double().numpy()
    assert found.total.shape == total.shape
    np.testing.assert_allclose(found.total, total, 1e-5, 1e-30)
    nodes = of_blocks([found.nodes])
    assert {(key, column) for _, key, column in nodes} == {("y", "gap")}
    return {node: value for (node, _, _), value in nodes.items()}


def test_a_nodes_gap_is_its_distance_over_the_norm_of_the_whole_reference() -> None:
    reference = gradient(1)
    deltas = combined(reference, gradient(2), 1e-2)
    found = by_node(deltas, reference, reference, 0)
    whole = math.sqrt(math.fsum(v * v for node in reference for v in elements(reference, node)))
    assert found.keys() == {"00.embedding", "02.linear"}
    for node, value in found.items():
        pairs = zip(elements(deltas, node), elements(reference, node), strict=True)
        distance = math.sqrt(math.fsum((a - b) ** 2 for a, b in pairs))
        assert value.item() == pytest.approx(distance / whole, rel=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_the_nodes_squares_add_up_to_that_of_the_agreements(
    config: str, dtype: torch.dtype
) -> None:
    s = step(config, "autograd", dtype, REPLICAS)
    with torch.inference_mode():
        by_hand = engine("manual_fused")(s.net, s.trace).deltas
    found = by_node(by_hand, s.deltas, s.params, s.lead)
    squares = np.sum([value * value for value in found.values()], axis=0)
    total = Gaps(s.params, s.lead)(by_hand, s.deltas).total
    np.testing.assert_allclose(np.sqrt(squares), total, rtol=1e-12)
    np.testing.assert_allclose(total, gap(by_hand, s.deltas, s.params, s.lead), 1e-5, 1e-30)
    for replica in range(REPLICAS):
        own, other = one_of(s, replica).deltas, copied(by_hand)
        alone = {node: {k: t[replica] for k, t in ts.items()} for node, ts in other.items()}
        of = by_node(alone, own, one_of(s, replica).params, 0)
        for node, value in found.items():
            assert value.shape == (REPLICAS,)
            np.testing.assert_allclose(value[replica], of[node], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("scale", [2.0**-100, 1.0, 2.0**100])
def test_the_node_that_is_wrong_is_named_at_any_scale(scale: float) -> None:
    reference, deltas = gradient(1, scale), gradient(1, scale)
    deltas["02.linear"]["b"] = deltas["02.linear"]["b"] * 1.5
    found = by_node(deltas, reference, reference, 0)
    assert found["00.embedding"].item() == 0.0
    assert 1e-2 < found["02.linear"].item() < 1
    total = gap(deltas, reference, reference, 0).item()
    assert found["02.linear"].item() == pytest.approx(total, rel=1e-6)


def test_a_zero_gradient_of_one_node_does_not_spoil_it() -> None:
    reference, deltas = gradient(1), gradient(1)
    reference["00.embedding"]["C"] = torch.zeros(7, 3)
    deltas["00.embedding"]["C"] = torch.full((7, 3), 1e-9)
    assert 0 < by_node(deltas, reference, reference, 0)["00.embedding"].item() < 1e-8


def test_nothing_against_nothing_is_no_gap_and_against_something_infinite() -> None:
    nothing = gradient(1, 0.0)
    assert by_node(nothing, nothing, nothing, 0)["02.linear"].item() == 0.0
    assert by_node(gradient(1), nothing, nothing, 0)["02.linear"].item() == math.inf


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_what_is_not_finite_is_no_number_and_no_exception(broken: float) -> None:
    reference, deltas = gradient(1), gradient(1)
    deltas["02.linear"]["W"][0, 0] = broken
    found = by_node(deltas, reference, reference, 0)
    assert not np.isfinite(found["02.linear"])
    assert found["00.embedding"].item() == 0.0


@pytest.mark.parametrize("replicas", [0, REPLICAS])
def test_one_plan_serves_every_step(replicas: int) -> None:
    s = step("lecture_manual", replicas=replicas)
    plan = Gaps(s.params, s.lead)
    for factor in (1.0, 1.5, 0.5):
        deltas = combined(s.deltas, s.deltas, factor - 1)
        found, fresh = plan(deltas, s.deltas), Gaps(s.params, s.lead)(deltas, s.deltas)
        np.testing.assert_array_equal(found.total, fresh.total)
        np.testing.assert_array_equal(found.nodes.values, fresh.nodes.values)
        assert found.nodes.cells() == fresh.nodes.cells()
        np.testing.assert_allclose(found.total, abs(factor - 1), 1e-6)


def test_nothing_that_is_given_changes() -> None:
    reference, deltas = gradient(1), gradient(2)
    by_node(deltas, reference, reference, 0)
    for given, seed in ((reference, 1), (deltas, 2)):
        for node in given:
            assert elements(given, node) == elements(gradient(seed), node)
