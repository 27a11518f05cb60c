"""Runs of the same shape as one stack, and back."""

from collections.abc import Sequence

import torch

from ninja.types import Params


def stack(runs: Sequence[Params]) -> Params:
    """R runs' parameters as one, every tensor with a leading dimension of R."""
    return {
        node: {key: torch.stack([run[node][key] for run in runs]) for key in tensors}
        for node, tensors in runs[0].items()
    }


def unstack(params: Params, replica: int) -> Params:
    """One run out of a stack; views, not copies."""
    return {
        node: {key: tensor[replica] for key, tensor in tensors.items()}
        for node, tensors in params.items()
    }


def repeated(run: Params, replicas: int) -> Params:
    """The same run's parameters for every replica of a stack; views, not copies."""
    return {
        node: {key: tensor.expand(replicas, *tensor.shape) for key, tensor in tensors.items()}
        for node, tensors in run.items()
    }
