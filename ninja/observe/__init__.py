"""Anybody's training, looked at with our own probes: before it begins, and while it lasts."""

from typing import Any

from torch import nn

from ninja.observe.before import Preflight, preflight
from ninja.observe.health import Health


def watch(
    model: nn.Module, optimizer: Any = None, *, every: int = 10, classes: int | None = None
) -> Health:
    """Look at a training, and leave every bit of it as it was.

    In three lines of any loop::

        with ninja.watch(model, optimizer, every=10) as health:
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                health.step(loss)
        health.report()

    Looked at are steps 0, 1, 2, 5, 10, 20, 50 and every so many; ``health.findings()`` says what is
    wrong, ``health.save(folder)`` keeps the record. Parameters are always seen, and so are the
    outputs of modules and of activations that are functions, but for what ``health.unseen()`` says.
    Calls are those of the thread that enters it.

    Args:
        model: that is trained; in `DataParallel` or `DistributedDataParallel`, or compiled, too.
        optimizer: one, or a list; none if the parameters are updated by other means.
        every: steps between two looks.
        classes: of a cross-entropy; found out where `torch.nn.functional.cross_entropy` makes the
            loss.

    Raises:
        TypeError, ValueError: an argument cannot be used; the line names it.
    """
    return Health(model, optimizer, every=every, classes=classes)


__all__ = ["Health", "Preflight", "preflight", "watch"]
