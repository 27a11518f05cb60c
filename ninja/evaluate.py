"""Losses over whole splits, by running statistics or calibrated ones."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ninja.data import Dataset, Examples
from ninja.distinct import Distinct
from ninja.net import Net, merge
from ninja.replicas import repeated
from ninja.rules import BatchNorm
from ninja.types import Batch, Buffers, Params

ROWS = 4096  # at a time: the intermediates of a whole split would fill gigabytes
BATCHES = 64  # of the training size at a time
SAMPLE = 64
"""Batches of the training split whose own statistics are tried, at most: of the lecture's network
twice as many leave nine tenths of the error."""


@dataclass(frozen=True)
class Losses:
    """Of a trained run.

    Attributes:
        train: over the whole training split.
        validation: over the whole validation split.
        test: over the whole test split.
        by_batch: over the training split by the batches' own statistics. Its distance from
            ``train`` is what the running statistics cost.
    """

    train: float
    validation: float
    test: float
    by_batch: float


@dataclass(frozen=True)
class Splits:
    """A dataset as it is evaluated: every different context once, for all three splits.

    Attributes:
        distinct: contexts and pairs of all examples.
        train: float64 (P,), how many examples of the training split are each pair.
        validation: of the validation split.
        test: of the test split.
        examples: of the training split.
        sample: of these, int64 (batches, batch_size): a few batches, spread over the split, so
            that the examples of a batch come of different words.
    """

    distinct: Distinct
    train: Tensor
    validation: Tensor
    test: Tensor
    examples: Examples
    sample: Tensor

    @classmethod
    def of(cls, dataset: Dataset, batch_size: int) -> "Splits":
        """Prepare; it takes a moment, and serves all runs on these data.

        Args:
            dataset: the three splits.
            batch_size: of the training.
        """
        splits = (dataset.train, dataset.validation, dataset.test)
        every = Examples(
            torch.cat([split.contexts for split in splits]),
            torch.cat([split.targets for split in splits]),
        )
        distinct = Distinct.of(every, dataset.vocabulary.size)
        first, second = len(dataset.train), len(dataset.train) + len(dataset.validation)
        bounds = (slice(first), slice(first, second), slice(second, None))
        train, validation, test = map(distinct.counts, bounds)
        sample = _sample(len(dataset.train), batch_size).to(every.targets.device)
        return cls(distinct, train, validation, test, dataset.train, sample)


def _sample(count: int, batch_size: int) -> Tensor:
    """Evenly spread examples as batches; one smaller batch where there are too few for one."""
    size = min(count, batch_size)
    batches = min(count // size, SAMPLE)
    return (torch.arange(batches * size) * count // (batches * size)).view(batches, size)


def validation(
    net: Net, params: Params, buffers: Buffers, splits: Splits, calibrated: bool
) -> float:
    """The loss over the whole validation split, of a run that goes on."""
    return _mean(splits.validation, _surprise(net, params, buffers, splits, calibrated))


def losses(net: Net, params: Params, buffers: Buffers, splits: Splits, calibrated: bool) -> Losses:
    """Evaluate a single run; ``calibrated``: with BatchNorm's statistics of the training split."""
    surprise = _surprise(net, params, buffers, splits, calibrated)
    train = _mean(splits.train, surprise)
    return Losses(
        train,
        _mean(splits.validation, surprise),
        _mean(splits.test, surprise),
        _by_batch(net, params, splits, surprise, train),
    )


def _surprise(
    net: Net, params: Params, buffers: Buffers, splits: Splits, calibrated: bool
) -> Tensor:
    """−log of the probability of each pair's target after its context, float64 (P,)."""
    distinct = splits.distinct
    if calibrated:
        buffers = calibrate(net, params, buffers, distinct, splits.train)
    evaluation, merged = net.evaluation(), merge(params, buffers)
    last = net.nodes[-1].name
    bounds = torch.arange(0, len(distinct.contexts), ROWS, device=distinct.context.device)
    starts = [*torch.searchsorted(distinct.context, bounds).tolist(), len(distinct.context)]
    found: list[Tensor] = []
    for number, contexts in enumerate(distinct.contexts.split(ROWS)):
        logprobs = evaluation.forward(merged, _untold(contexts)).saved[last]["logprobs"]
        pairs = slice(starts[number], starts[number + 1])
        rows = distinct.context[pairs] - number * ROWS
        found.append(-logprobs[rows, distinct.target[pairs]].double())
    return torch.cat(found)


def _untold(contexts: Tensor) -> Batch:
    """Contexts whose targets do not matter."""
    return Batch(contexts, torch.zeros_like(contexts[:, 0]))


def _mean(counts: Tensor, surprise: Tensor) -> float:
    """Over the examples of a split. What is in none of them does not count, be it infinite."""
    total = (counts * surprise).sum()  # BLAS's dot product adds in an order of its own
    if not total.isfinite():
        met = counts > 0
        total = (counts[met] * surprise[met]).sum()
    return (total / counts.sum()).item()


def _by_batch(net: Net, params: Params, splits: Splits, surprise: Tensor, train: float) -> float:
    """The training loss by the batches' own statistics.

    It is ``train`` and what the sampled batches lose or gain by theirs, on the same examples: as a
    control variate, which leaves a hundredth of the sample's own error. Without a BatchNorm no row
    knows of another, and a single example has no statistics: its loss is not a number.

    Args:
        net: as it is trained.
        params: of a single run.
        splits: of its data.
        surprise: of every pair, by running statistics.
        train: its mean over the training split.
    """
    if not any(isinstance(node.rule, BatchNorm) for node in net.nodes):
        return train
    if splits.sample.numel() < 2:
        return float("nan")
    own, examples = 0.0, splits.examples
    for rows in splits.sample.split(BATCHES):
        batch = Batch(examples.contexts[rows], examples.targets[rows])
        own += net.forward(repeated(params, len(rows)), batch).loss.double().sum().item()
    pairs = splits.distinct.pair[splits.sample.flatten()]  # the training examples come first
    return train + own / len(splits.sample) - surprise[pairs].mean().item()


def calibrate(
    net: Net, params: Params, buffers: Buffers, distinct: Distinct, counts: Tensor
) -> Buffers:
    """The mean and variance of a whole split before each BatchNorm, as in part 4.

    One pass for each BatchNorm, in forward order: what a later one sees depends on the earlier
    ones' statistics. Accumulated in float64.

    Args:
        net: as it is trained.
        params: of a single run.
        buffers: whose dtypes the statistics get.
        distinct: contexts and pairs.
        counts: (P,), how many examples of the split are each pair.
    """
    found, frequency = dict(buffers), distinct.frequency(counts)
    for index, node in enumerate(net.nodes):
        if not isinstance(node.rule, BatchNorm):
            continue
        rule = node.rule
        before = Net(net.nodes[:index]).evaluation()
        merged = merge({n.name: params[n.name] for n in before.nodes}, found)
        count, total, squares = 0.0, 0.0, 0.0
        parts = zip(distinct.contexts.split(ROWS), frequency.split(ROWS), strict=True)
        for contexts, times in parts:
            x = before.forward(merged, _untold(contexts)).saved[node.inputs[0]]["y"].double()
            # a network that fuses positions has several rows a context
            weights = times.repeat_interleave(x.shape[-2] // len(times))[:, None]
            count += weights.sum().item()
            total = total + (weights * x).sum(-2, keepdim=True)
            squares = squares + (weights * x.square()).sum(-2, keepdim=True)
        assert isinstance(total, Tensor)
        mean = total / count
        var = (squares - count * mean.square()) / (count - rule.running_bessel)
        name = f"running_{rule.running_statistic}"
        spread = var.sqrt() if rule.running_statistic == "std" else var
        like = buffers[node.name]["running_mean"]
        with torch.inference_mode(False):
            found[node.name] = {
                "running_mean": mean.to(like).clone(),
                name: spread.to(like).clone(),
            }
    return found
