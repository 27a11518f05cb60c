"""Specification of the histograms, against loops and against numpy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ninja.probes import histogram, histograms
from ninja.probes.names import matrices
from ninja.rules.activations import Activation
from tests.probes.steps import CONFIGS, DTYPES, REPLICAS, normal, one_of, parameters_only, step

values = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(st.lists(values, min_size=1, max_size=40), st.integers(1, 60))
def test_every_element_is_counted_once_or_lies_outside(given_: list[float], bins: int) -> None:
    counts, edges, outside = histogram(torch.tensor(given_), 0, bins)
    finite = [v for v in given_ if math.isfinite(v)]
    assert counts.shape == (bins,)
    assert edges.shape == (bins + 1,)
    assert counts.sum().item() == len(finite)
    assert outside.item() == len(given_) - len(finite)
    assert bool((counts >= 0).all())
    largest = max(map(abs, finite), default=0.0) or 1.0
    assert (edges[0].item(), edges[-1].item()) == (-largest, largest)


@given(st.lists(st.tuples(st.integers(0, 49), st.floats(0.01, 0.99)), max_size=60), values)
def test_elements_away_from_the_edges_are_counted_as_numpy_does(
    places: list[tuple[int, float]], scale: float
) -> None:
    scale = abs(scale) if 1e-30 < abs(scale) < 1e30 else 1.0
    inside = [(place + part) / 25 - 1 for place, part in places]
    tensor = torch.tensor([1.0, *inside], dtype=torch.float64) * scale
    counts, edges, outside = histogram(tensor, 0)
    expected, _ = np.histogram(tensor.numpy(), bins=edges.numpy())
    assert counts.tolist() == expected.tolist()
    assert outside.item() == 0


def test_by_hand() -> None:
    tensor = torch.tensor([-1.0, -0.6, -0.1, 0.0, 0.4, 0.6, 1.0, math.nan, math.inf, -math.inf])
    counts, edges, outside = histogram(tensor, 0, bins=4)
    assert counts.tolist() == [2, 1, 2, 2]
    assert edges.tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert outside.item() == 3


def test_a_fixed_limit_leaves_out_what_lies_beyond() -> None:
    tensor = torch.tensor([-1.001, -1.0, 0.3, 1.0, 1.001, 7.0, math.nan, math.inf])
    counts, edges, outside = histogram(tensor, 0, bins=2, limit=1.0)
    assert (counts.tolist(), outside.item()) == ([1, 2], 5)
    assert edges.tolist() == [-1.0, 0.0, 1.0]


def test_zeros_lie_in_the_middle() -> None:
    counts, edges, _ = histogram(torch.zeros(3, 4), 0, bins=5)
    assert counts.tolist() == [0, 0, 12, 0, 0]
    assert (edges[0].item(), edges[-1].item()) == (-1.0, 1.0)


@pytest.mark.parametrize("scale", [1e-44, 1e-38, 1e38])
def test_extreme_scales(scale: float) -> None:
    tensor = torch.tensor([-1.0, 1.0]) * scale
    counts, edges, outside = histogram(tensor, 0, bins=2)
    assert (counts.tolist(), outside.item()) == ([1, 1], 0)
    assert edges.isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("limit", [None, 1.0])
def test_a_replicas_histogram_is_its_own_in_every_bit(
    dtype: torch.dtype, limit: float | None
) -> None:
    tensor = normal(2, 3, 8, 9, dtype=dtype)
    tensor[1, 2, 0, 0] = math.nan
    together = histogram(tensor, 2, limit=limit)
    assert [part.shape for part in together] == [(2, 3, 50), (2, 3, 51), (2, 3)]
    for i in range(2):
        for j in range(3):
            alone = histogram(tensor[i, j], 0, limit=limit)
            assert all(map(torch.equal, (part[i, j] for part in together), alone))
    assert together[2][1, 2].item() >= 1


# --- of a step -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("config", CONFIGS)
def test_activations_their_deltas_and_the_matrices_deltas(config: str, dtype: torch.dtype) -> None:
    s = step(config, dtype=dtype, replicas=REPLICAS)
    found = {(h.node, h.tensor, h.of): h for h in histograms(s)}
    hidden = [node for node in s.net.nodes if isinstance(node.rule, Activation)]
    expected: dict[tuple[str, str, str], Tensor] = {}
    for node in hidden:
        expected[node.name, "y", "value"] = s.trace.saved[node.name]["y"]
        expected[node.name, "y", "delta"] = s.deltas[node.name]["y"]
    for node, key in matrices(s.params, s.lead):
        expected[node, key, "delta"] = s.deltas[node][key]
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        one = found[name]
        total = one.counts.sum(-1) + one.outside
        assert total.tolist() == [tensor[0].numel()] * REPLICAS
        limit = tensor.flatten(1).abs().amax(-1)
        if name[2] == "value" and "tanh" in name[0]:
            limit = torch.ones_like(limit)
        if bool((limit > 0).all()):
            torch.testing.assert_close(one.edges[:, -1], limit, rtol=0, atol=0)
    assert [h.node for h in histograms(s)] == sorted(h.node for h in histograms(s))


@pytest.mark.parametrize("config", ["lecture_deep", "relu"])
def test_a_run_in_a_stack_has_the_same_histograms_in_every_bit(config: str) -> None:
    s = step(config, replicas=REPLICAS)
    for replica in range(REPLICAS):
        for one, alone in zip(histograms(s), histograms(one_of(s, replica)), strict=True):
            assert (one.node, one.tensor, one.of) == (alone.node, alone.tensor, alone.of)
            assert torch.equal(one.counts[replica], alone.counts)
            assert torch.equal(one.edges[replica], alone.edges)
            assert torch.equal(one.outside[replica], alone.outside)


def test_without_deltas_of_intermediates_theirs_are_left_out() -> None:
    s = parameters_only(step("lecture_manual", "autograd"))
    kinds = [(h.node, h.tensor, h.of) for h in histograms(s, bins=10)]
    assert kinds == [
        ("00.embedding", "C", "delta"),
        ("02.linear", "W", "delta"),
        ("04.tanh", "y", "value"),
        ("05.linear", "W", "delta"),
    ]
