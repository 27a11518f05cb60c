"""Specification of the gap, node by node."""

import math

import pytest
import torch

from ninja.agreement import gap
from ninja.engines import engine
from ninja.probes import copied, gaps
from ninja.types import Params
from tests.probes.steps import CONFIGS, DTYPES, REPLICAS, normal, one_of, step


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


def test_a_nodes_gap_is_its_distance_over_the_norm_of_the_whole_reference() -> None:
    reference = gradient(1)
    deltas = combined(reference, gradient(2), 1e-2)
    found = gaps(deltas, reference, reference, 0)
    whole = math.sqrt(math.fsum(v * v for node in reference for v in elements(reference, node)))
    assert found.nodes.keys() == {"00.embedding", "02.linear"}
    for node, value in found.nodes.items():
        pairs = zip(elements(deltas, node), elements(reference, node), strict=True)
        distance = math.sqrt(math.fsum((a - b) ** 2 for a, b in pairs))
        assert value.item() == pytest.approx(distance / whole, rel=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_the_total_is_the_agreements_and_the_nodes_squares_add_up_to_its(
    config: str, dtype: torch.dtype
) -> None:
    s = step(config, "autograd", dtype, REPLICAS)
    with torch.inference_mode():
        by_hand = engine("manual_fused")(s.net, s.trace).deltas
    found = gaps(by_hand, s.deltas, s.params_before, s.lead)
    assert torch.equal(found.total, gap(by_hand, s.deltas, s.params_before, s.lead))
    squares = torch.stack(list(found.nodes.values())).double().square().sum(0)
    torch.testing.assert_close(squares.sqrt(), found.total.double(), rtol=1e-5, atol=1e-30)
    for replica in range(REPLICAS):
        own, other = one_of(s, replica).deltas, copied(by_hand)
        alone = {node: {k: t[replica] for k, t in ts.items()} for node, ts in other.items()}
        of = gaps(alone, own, one_of(s, replica).params_before, 0)
        for node, value in found.nodes.items():
            torch.testing.assert_close(value[replica], of.nodes[node], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("scale", [2.0**-100, 1.0, 2.0**100])
def test_the_node_that_is_wrong_is_named_at_any_scale(scale: float) -> None:
    reference, deltas = gradient(1, scale), gradient(1, scale)
    deltas["02.linear"]["b"] = deltas["02.linear"]["b"] * 1.5
    found = gaps(deltas, reference, reference, 0)
    assert found.nodes["00.embedding"].item() == 0.0
    assert 1e-2 < found.nodes["02.linear"].item() < 1
    assert found.nodes["02.linear"].item() == pytest.approx(found.total.item(), rel=1e-6)


def test_a_zero_gradient_of_one_node_does_not_spoil_it() -> None:
    reference, deltas = gradient(1), gradient(1)
    reference["00.embedding"]["C"] = torch.zeros(7, 3)
    deltas["00.embedding"]["C"] = torch.full((7, 3), 1e-9)
    assert 0 < gaps(deltas, reference, reference, 0).nodes["00.embedding"].item() < 1e-8


def test_nothing_against_nothing_is_no_gap_and_against_something_infinite() -> None:
    nothing = gradient(1, 0.0)
    assert gaps(nothing, nothing, nothing, 0).nodes["02.linear"].item() == 0.0
    assert gaps(gradient(1), nothing, nothing, 0).nodes["02.linear"].item() == math.inf


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_what_is_not_finite_is_no_number_and_no_exception(broken: float) -> None:
    reference, deltas = gradient(1), gradient(1)
    deltas["02.linear"]["W"][0, 0] = broken
    found = gaps(deltas, reference, reference, 0)
    assert not found.nodes["02.linear"].isfinite()
    assert found.nodes["00.embedding"].item() == 0.0
