"""A batch, as a loader gives it, through a model and its loss."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

LossFn = Callable[[Any, Any], Tensor]
"""Is given the model's output, and what `fed` says."""


def fed(model: nn.Module, batch: Any, loss_fn: LossFn) -> Tensor:
    """The loss of a batch.

    =====================  ==========================  ================================
    batch                  output                      loss
    ---------------------  --------------------------  --------------------------------
    a tuple or list        ``model(*all but the last)``  ``loss_fn(output, the last)``
    a mapping              ``model(**batch)``          ``loss_fn(output, batch)``
    anything else          ``model(batch)``            ``loss_fn(output, batch)``
    =====================  ==========================  ================================

    The batch is copied before, for a model that writes over what it is given.

    Raises:
        TypeError: the loss is no tensor.
        ValueError: it is no single number, or needs no gradient; or the batch is empty.
    """
    for one in tensors_in(batch):
        if one.dim() and not len(one):
            raise ValueError(f"batch: a tensor of shape {tuple(one.shape)}, give at least one row")
    given = copied(batch)
    if isinstance(given, Mapping):
        loss = loss_fn(model(**given), given)
    elif isinstance(given, (tuple, list)):
        if len(given) < 2:
            raise ValueError(
                f"batch: {len(given)} of them, give the inputs and the targets, or a tensor alone"
            )
        *inputs, targets = given
        loss = loss_fn(model(*inputs), targets)
    else:
        loss = loss_fn(model(given), given)
    if not isinstance(loss, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"loss_fn: returned a {type(loss).__name__}, it must return a tensor")
    if loss.numel() != 1:
        raise ValueError(
            f"loss_fn: returned a tensor of shape {tuple(loss.shape)}, it must return one number"
        )
    if not loss.requires_grad:
        raise ValueError("loss_fn: its loss needs no gradient: nothing in this model trains by it")
    return loss


def copied(batch: Any) -> Any:
    """With its tensors in memory of their own; tuples, lists and mappings are looked into."""
    if isinstance(batch, Tensor):
        return batch.detach().clone().requires_grad_(batch.requires_grad)
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*map(copied, batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(map(copied, batch))
    if type(batch) is dict:
        return {key: copied(value) for key, value in batch.items()}
    return batch


def tensors_in(batch: Any) -> Iterator[Tensor]:
    """Its tensors; tuples, lists and mappings are looked into."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, (tuple, list, Mapping)):
        for one in batch.values() if isinstance(batch, Mapping) else batch:
            yield from tensors_in(one)


def finite(batch: Any) -> bool:
    """Whether its dense tensors of floating point are.

    A tensor without numbers (meta) counts as finite.
    """
    return all(map(_finite, tensors_in(batch)))


def _finite(t: Tensor) -> bool:
    dense = t.layout is torch.strided and not t.is_nested and not t.is_meta
    if not dense or not t.is_floating_point():
        return True
    # torch has no isfinite for the narrowest formats
    return bool((t.float() if t.itemsize == 1 else t).isfinite().all())


@torch.enable_grad()
def pulled(model: nn.Module, batch: Any, loss_fn: LossFn) -> Tensor:
    """The loss of a batch, after its gradients were added to the model's."""
    loss = fed(model, batch, loss_fn)
    loss.backward()
    return loss
