"""Losses over whole splits, by running statistics or calibrated ones."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ninja.data import Dataset, Examples
from ninja.net import Net, merge
from ninja.rules import BatchNorm
from ninja.types import Batch, Buffers, Params

ROWS = 4096  # at a time: the intermediates of a whole split would fill gigabytes
BATCHES = 64  # of the training size at a time


@dataclass(frozen=True)
class Losses:
    """Of a trained run.

    Attributes:
        train: over the whole training split.
        validation: over the whole validation split.
        test: over the whole test split.
        by_batch: over the training split in batches of the training size, each by its own
            statistics. Its distance from ``train`` is what the running statistics cost.
    """

    train: float
    validation: float
    test: float
    by_batch: float


def validation(
    net: Net, params: Params, buffers: Buffers, dataset: Dataset, calibrated: bool
) -> float:
    """The loss over the whole validation split, of a run that goes on."""
    if calibrated:
        buffers = calibrate(net, params, buffers, dataset.train)
    return _mean_loss(net.evaluation(), merge(params, buffers), dataset.validation)


def losses(
    net: Net, params: Params, buffers: Buffers, dataset: Dataset, batch_size: int, calibrated: bool
) -> Losses:
    """Evaluate a single run; ``calibrated``: with BatchNorm's statistics of the training split."""
    if calibrated:
        buffers = calibrate(net, params, buffers, dataset.train)
    evaluation, merged = net.evaluation(), merge(params, buffers)
    splits = (dataset.train, dataset.validation, dataset.test)
    train, validation, test = (_mean_loss(evaluation, merged, split) for split in splits)
    by_batch = _mean_loss_by_batch(net, params, dataset.train, batch_size)
    return Losses(train, validation, test, by_batch)


def _mean_loss(net: Net, params: Params, examples: Examples) -> float:
    """The mean over all examples."""
    total = 0.0
    for batch in _parts(examples, ROWS):
        total += net.forward(params, batch).loss.item() * len(batch.targets)
    return total / len(examples)


def _mean_loss_by_batch(net: Net, params: Params, examples: Examples, batch_size: int) -> float:
    """The mean over all whole batches, each by its own statistics: many at once, as a stack.

    One smaller batch where there are too few examples for a whole one; a single example has no
    statistics, and its loss is not a number.
    """
    if len(examples) < 2:
        return float("nan")
    count = len(examples) // batch_size
    if not count:
        return net.forward(params, Batch(examples.contexts, examples.targets)).loss.item()
    whole = count * batch_size
    contexts = examples.contexts[:whole].unflatten(0, (count, batch_size))
    targets = examples.targets[:whole].unflatten(0, (count, batch_size))
    total = 0.0
    for batch in zip(contexts.split(BATCHES), targets.split(BATCHES), strict=True):
        total += net.forward(_shared(params, len(batch[0])), Batch(*batch)).loss.sum().item()
    return total / count


def _shared(params: Params, replicas: int) -> Params:
    """The same parameters for every replica of a stack, without a copy."""
    return {
        node: {name: tensor.expand(replicas, *tensor.shape) for name, tensor in own.items()}
        for node, own in params.items()
    }


def _parts(examples: Examples, rows: int) -> list[Batch]:
    return [
        Batch(*part)
        for part in zip(examples.contexts.split(rows), examples.targets.split(rows), strict=True)
    ]


def calibrate(net: Net, params: Params, buffers: Buffers, examples: Examples) -> Buffers:
    """The mean and variance of the whole training split before each BatchNorm, as in part 4.

    One pass for each BatchNorm, in forward order: what a later one sees depends on the earlier
    ones' statistics. Accumulated in float64.
    """
    found = dict(buffers)
    for index, node in enumerate(net.nodes):
        if not isinstance(node.rule, BatchNorm):
            continue
        rule = node.rule
        before = Net(net.nodes[:index]).evaluation()
        merged = merge({n.name: params[n.name] for n in before.nodes}, found)
        count, total, squares = 0, 0.0, 0.0
        for batch in _parts(examples, ROWS):
            x = before.forward(merged, batch).saved[node.inputs[0]]["y"].double()
            count += x.shape[-2]
            total = total + x.sum(-2, keepdim=True)
            squares = squares + x.square().sum(-2, keepdim=True)
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
