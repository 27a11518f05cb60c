"""What a probe is given: one training step and its update."""

from dataclasses import dataclass

import numpy as np

from ninja.net import Net
from ninja.types import Deltas, Params, Trace


@dataclass(frozen=True)
class Snapshot:
    """One training step of a single run or of a stack, just after its update.

    Attributes:
        net: the network.
        trace: of the step's forward pass.
        deltas: of that trace, before clipping. Those of intermediates are optional: an engine that
            was asked for the parameters' alone leaves the columns out that need them.
        params: after the update, which is in place: nothing was copied.
        directions: the update of every matrix is ``rate`` times this.
        rate: of the update; or one per replica, (...).
        lead: number of leading replica dimensions, `Trace.loss.dim()`.
    """

    net: Net
    trace: Trace
    deltas: Deltas
    params: Params
    directions: Deltas
    rate: float | np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    lead: int


def copied(params: Params) -> Params:
    """The parameters as they are now, out of reach of the update."""
    return {
        node: {key: tensor.detach().clone() for key, tensor in tensors.items()}
        for node, tensors in params.items()
    }
