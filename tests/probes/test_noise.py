"""Specification of the two terms of the gradient noise scale."""

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from ninja.engines import engine
from ninja.init import Generators
from ninja.net import draw
from ninja.networks import build
from ninja.probes import noise_terms
from ninja.replicas import stack
from ninja.types import Deltas, Params
from tests.probes.steps import ENGINES, REPLICAS, VOCAB, normal, random_batch, variant

Vector = list[float]

numbers = st.floats(-100, 100)
vectors = st.integers(1, 6).flatmap(lambda n: st.lists(numbers, min_size=n, max_size=n))
gradients = st.tuples(st.integers(1, 6), st.integers(2, 9)).flatmap(
    lambda of: st.lists(
        st.lists(numbers, min_size=of[0], max_size=of[0]), min_size=of[1], max_size=of[1]
    )
)
sizes = st.integers(1, 100)


def as_deltas(vector: Tensor) -> Deltas:
    """Spread over two nodes, beside the deltas of an intermediate that do not count."""
    half = vector.shape[-1] // 2
    return {
        "00.embedding": {"C": vector[..., :half]},
        "01.linear": {"b": vector[..., half:], "y": torch.full((9, 9), torch.nan)},
    }


def params_of(vector: Tensor) -> Params:
    deltas = as_deltas(vector)
    return {"00.embedding": deltas["00.embedding"], "01.linear": {"b": deltas["01.linear"]["b"]}}


def terms(batches: list[Vector], size: int) -> tuple[float, float]:
    vectors = [torch.tensor(vector, dtype=torch.float64) for vector in batches]
    trace, norm2 = noise_terms(params_of(vectors[0]), map(as_deltas, vectors), size, 0)
    return trace.item(), norm2.item()


def dot(one: Vector, other: Vector) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def approximately(value: float, batches: list[Vector], factor: float = 1.0) -> object:
    """To rounding: the terms are differences of the gradients' squares."""
    largest = max(dot(vector, vector) for vector in batches)
    return pytest.approx(value, rel=1e-12, abs=1e-12 * factor * max(largest, 1e-290))


@given(gradients.map(lambda vectors: vectors[:2]), sizes)
def test_two_batches_say_it_by_their_product_and_their_distance(
    batches: list[Vector], size: int
) -> None:
    """|G|² is g₁·g₂, and tr(Σ) is B/2·|g₁ − g₂|²."""
    one, other = batches
    apart = [a - b for a, b in zip(one, other, strict=True)]
    trace, norm2 = terms(batches, size)
    assert norm2 == approximately(dot(one, other), batches)
    assert trace == approximately(size / 2 * dot(apart, apart), batches, size)


@given(gradients, sizes)
def test_several_say_it_by_the_products_of_all_pairs(batches: list[Vector], size: int) -> None:
    """|G|² is the mean of gᵢ·gⱼ over the pairs, and tr(Σ) is B times the sample variance."""
    pairs = [dot(one, other) for one, other in combinations(batches, 2)]
    mean = [math.fsum(column) / len(batches) for column in zip(*batches, strict=True)]
    apart = [[a - m for a, m in zip(vector, mean, strict=True)] for vector in batches]
    variance = math.fsum(dot(v, v) for v in apart) / (len(batches) - 1)
    trace, norm2 = terms(batches, size)
    assert norm2 == approximately(math.fsum(pairs) / len(pairs), batches)
    assert trace == approximately(size * variance, batches, size)


@given(vectors, st.integers(2, 5), sizes)
def test_gradients_without_noise_have_none(vector: Vector, count: int, size: int) -> None:
    trace, norm2 = terms([vector] * count, size)
    assert trace == approximately(0.0, [vector], size)
    assert norm2 == approximately(dot(vector, vector), [vector])


# --- unbiased: the mean over many draws is the truth ---------------------------------------------

EXAMPLES = normal(7, 5, dtype=torch.float64) + 0.3
"""The whole data of a tiny problem: one gradient an example."""


def truth() -> tuple[float, float]:
    """tr(Σ) of one example's gradient, drawn with replacement, and |G|²."""
    mean = EXAMPLES.mean(0)
    return (EXAMPLES - mean).square().sum(-1).mean().item(), mean.square().sum().item()


@given(st.integers(2, 5), st.integers(1, 4))
def test_the_mean_over_every_possible_draw_is_exact(count: int, size: int) -> None:
    """Expectations of the squares, worked out: the estimate is linear in them."""
    trace, norm2 = truth()
    small, big = norm2 + trace / size, norm2 + trace / (size * count)
    # batches ±a around m, whose mean square is `small` and whose mean has the square `big`
    along = torch.zeros(count + 1, dtype=torch.float64)
    along[-1] = math.sqrt(big)
    batches = along.repeat(count, 1)
    batches[:, :count] = torch.eye(count, dtype=torch.float64) - 1 / count
    spread = batches[:, :count].square().sum(-1).mean().item()
    batches[:, :count] *= math.sqrt((small - big) / spread)
    found = noise_terms(params_of(along), map(as_deltas, batches), size, 0)
    assert found[0] == pytest.approx(trace, rel=1e-12)
    assert found[1] == pytest.approx(norm2, rel=1e-12)


@pytest.mark.parametrize(("count", "size"), [(2, 1), (4, 2), (16, 3)])
def test_the_mean_over_many_random_draws_is_the_truth(count: int, size: int) -> None:
    """Within five standard errors, themselves a few percent."""
    generator, draws = Generator().manual_seed(1), 20_000
    chosen = torch.randint(0, len(EXAMPLES), (count, draws, size), generator=generator)
    batches = (as_deltas(EXAMPLES[of].mean(-2)) for of in chosen)  # the draws are replicas
    found = noise_terms(params_of(EXAMPLES[chosen[0]].mean(-2)), batches, size, 1)
    for term, expected in zip(found, truth(), strict=True):
        assert term.shape == (draws,)
        error = term.std() / math.sqrt(draws)
        assert error < 0.05 * expected
        assert abs(term.mean() - expected) < 5 * error


# --- of a network --------------------------------------------------------------------------------


@pytest.mark.parametrize("backward", ENGINES)
def test_gradients_may_be_made_while_they_are_asked_for(backward: str) -> None:
    """As a step does it: no gradient is kept."""
    config = variant("none")
    net = build(config, VOCAB)
    params = draw(net, Generators.of(1))
    pull = engine(backward)

    def lazily() -> Iterator[Deltas]:
        for seed in range(4):
            batch = random_batch(config, seed=seed)
            yield pull(net, net.forward(params, batch, graph=pull.graph)).deltas

    kept = [
        torch.cat([d[node][key].flatten() for node, own in params.items() for key in own]).tolist()
        for d in lazily()
    ]
    trace, norm2 = noise_terms(params, lazily(), 6, 0)
    assert (trace.item(), norm2.item()) == pytest.approx(terms(kept, 6), rel=1e-9)


def test_each_replica_has_its_own_terms() -> None:
    config = variant("none")
    net, pull = build(config, VOCAB), engine("manual_fused")
    runs = [draw(net, Generators.of(seed)) for seed in range(REPLICAS)]
    params = stack(runs)
    batches = [random_batch(config, (REPLICAS,), seed) for seed in range(3)]
    together = noise_terms(
        params, (pull(net, net.forward(params, b)).deltas for b in batches), 6, 1
    )
    for replica, run in enumerate(runs):
        own = [type(b)(b.tokens[replica], b.targets[replica]) for b in batches]
        alone = noise_terms(run, (pull(net, net.forward(run, b)).deltas for b in own), 6, 0)
        for one, other in zip(together, alone, strict=True):
            assert one[replica] == pytest.approx(other, rel=1e-5)


def test_what_is_not_finite_stays_with_its_replica() -> None:
    batches = [normal(3, 4, seed=seed) for seed in range(2)]
    batches[1][1, 2] = torch.nan
    for term in noise_terms(params_of(batches[0]), map(as_deltas, batches), 1, 1):
        assert np.isnan(term).tolist() == [False, True, False]


def test_squares_of_small_gradients_do_not_vanish() -> None:
    vector = normal(6)
    params, tiny = params_of(vector), [vector * 2.0**-100, vector * 2.0**-99]
    trace, norm2 = noise_terms(params, map(as_deltas, tiny), 2, 0)
    square = vector.double().square().sum().item() * 2.0**-200
    assert norm2 == pytest.approx(2 * square, rel=1e-12, abs=0)
    assert trace == pytest.approx(square, rel=1e-12, abs=0)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_batches_tell_nothing(count: int) -> None:
    vector = normal(4)
    with pytest.raises(ValueError, match=f"{count} batches, give 2 or more"):
        noise_terms(params_of(vector), [as_deltas(vector)] * count, 1, 0)
