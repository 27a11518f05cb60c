"""Specification of the minibatches."""

import pytest
import torch

from ninja.batches import Batches
from ninja.data import Examples, Vocabulary, examples
from ninja.errors import ConfigError
from tests.faults import fault_of


def numbered(count: int, block_size: int = 3) -> Examples:
    """Examples whose contexts and targets tell their own index."""
    index = torch.arange(count)
    return Examples(index[:, None] * 10 + torch.arange(block_size), index)


def generators(seeds: range) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize("count", [1, 2, 27, 2**16, 2**16 + 1, 185_346, 2**31 + 1, 2**32 + 5])
@pytest.mark.parametrize("batch_size", [1, 3, 32, 33])
def test_randint_ahead_is_randint_step_by_step(count: int, batch_size: int) -> None:
    ahead, stepwise = generators(range(7, 8)) + generators(range(7, 8))
    block = torch.randint(0, count, (17, batch_size), generator=ahead)
    for row in block:
        assert torch.equal(row, torch.randint(0, count, (batch_size,), generator=stepwise))
    assert torch.equal(ahead.get_state(), stepwise.get_state())


@pytest.mark.parametrize("count", [1, 27, 2**16 + 1, 185_346])
@pytest.mark.parametrize("batch_size", [1, 7, 32])
@pytest.mark.parametrize("ahead", [1, 5, 64])
def test_single_batches(count: int, batch_size: int, ahead: int) -> None:
    source = numbered(count)
    batches = Batches(source, batch_size, torch.Generator().manual_seed(1), ahead)
    generator = torch.Generator().manual_seed(1)
    for _ in range(2 * ahead + 3):
        tokens, targets = next(batches)
        index = torch.randint(0, count, (batch_size,), generator=generator)
        assert tokens.shape == (batch_size, 3)
        assert torch.equal(targets, source.targets[index])
        assert torch.equal(tokens, source.contexts[index])


@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_replicas_are_independent(replicas: int) -> None:
    source = numbered(70_001, block_size=4)
    together = Batches(source, 9, generators(range(replicas)), ahead=8)
    alone = [Batches(source, 9, generator, ahead=3) for generator in generators(range(replicas))]
    stepwise = generators(range(replicas))
    for _ in range(20):
        batch = next(together)
        assert batch.tokens.shape == (replicas, 9, 4)
        assert batch.targets.shape == (replicas, 9)
        assert batch.tokens.dtype == batch.targets.dtype == torch.int64
        for replica, own in enumerate(alone):
            single = next(own)
            index = torch.randint(0, 70_001, (9,), generator=stepwise[replica])
            assert torch.equal(batch.targets[replica], index)
            assert torch.equal(batch.tokens[replica], source.contexts[index])
            assert torch.equal(single.tokens, batch.tokens[replica])
            assert torch.equal(single.targets, batch.targets[replica])


def test_batches_are_an_iterator_that_keeps_what_it_gave() -> None:
    batches = Batches(numbered(50), 4, torch.Generator().manual_seed(3), ahead=2)
    assert iter(batches) is batches
    kept = [batch for batch, _ in zip(batches, range(6), strict=False)]
    before = [batch.targets.clone() for batch in kept]
    next(batches)
    assert all(torch.equal(batch.targets, was) for batch, was in zip(kept, before, strict=True))
    assert len({tuple(batch.targets.tolist()) for batch in kept}) == 6


def test_nothing_is_drawn_before_it_is_asked_for() -> None:
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    batches = Batches(numbered(50), 4, generator)
    assert torch.equal(generator.get_state(), before)
    next(batches)
    assert not torch.equal(generator.get_state(), before)


def test_batches_lie_where_the_examples_lie() -> None:
    source = numbered(50)
    away = Examples(source.contexts.to("meta"), source.targets.to("meta"))
    tokens, targets = next(Batches(away, 4, torch.Generator()))
    assert (tokens.device.type, targets.device.type) == ("meta", "meta")
    assert (tokens.shape, targets.shape) == ((4, 3), (4,))


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batch_size(batch_size: int) -> None:
    message = fault_of(lambda: Batches(numbered(5), batch_size, torch.Generator()), ConfigError)
    assert message == f"batch_size={batch_size}: give a whole number, 1 or more"


def test_no_examples() -> None:
    nothing = examples([], Vocabulary.of([]), 3)
    assert "give at least one word" in fault_of(lambda: Batches(nothing, 4, torch.Generator()))


def test_misuse_of_batches() -> None:
    shared = torch.Generator()
    with pytest.raises(ValueError, match="ahead=0"):
        Batches(numbered(5), 4, shared, ahead=0)
    with pytest.raises(ValueError, match="at least one"):
        Batches(numbered(5), 4, [])
    with pytest.raises(ValueError, match="of its own"):
        Batches(numbered(5), 4, [shared, shared])
