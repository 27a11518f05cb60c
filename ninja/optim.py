"""The update, by hand: no `torch.optim`, no `optimizer.step()`."""

import torch

from ninja.types import Deltas, Params


def sgd_(params: Params, deltas: Deltas, lr: float) -> None:
    """p ← p − lr·∂loss/∂p for every parameter, in place."""
    targets = [tensor for tensors in params.values() for tensor in tensors.values()]
    grads = [deltas[node][key] for node, tensors in params.items() for key in tensors]
    with torch.no_grad():  # one call for the whole network, as torch.optim itself does it
        torch._foreach_add_(targets, grads, alpha=-lr)  # pyright: ignore[reportPrivateImportUsage]
