"""How many classes a loss tells apart."""

from torch import Tensor

MEAN = 1
"""What torch calls the reduction by which a loss can be held against ln C."""


def classes_of(loss: Tensor) -> int | None:
    """How many a cross-entropy has, if the loss's graph shows that it is one, and a mean.

    Args:
        loss: may have been pulled back already.
    """
    graph = loss.grad_fn
    if graph is None or not graph.name().startswith("NllLoss"):
        return None
    if graph._saved_reduction != MEAN:  # pyright: ignore[reportAttributeAccessIssue]
        return None
    for before, _ in graph.next_functions:
        if before is not None and before.name() == "LogSoftmaxBackward0":
            shape = before._input_metadata[0].shape
            return int(shape[1] if len(shape) > 1 else shape[0])  # of one example without a batch
    return None
