"""What a probe is given: one training step, before and after its update."""

from dataclasses import dataclass

from ninja.net import Net
from ninja.types import Deltas, Params, Trace


@dataclass(frozen=True)
class Snapshot:
    """One training step of a single run or of a stack.

    Attributes:
        net: the network.
        trace: of the step's forward pass.
        deltas: of that trace, before clipping. Those of intermediates are optional: an engine that
            was asked for the parameters' alone leaves the columns out that need them.
        params_before: a copy (`copied`), because the update is in place.
        params_after: the same tensors after the update.
        step: its number.
        lead: number of leading replica dimensions, `Trace.loss.dim()`.
    """

    net: Net
    trace: Trace
    deltas: Deltas
    params_before: Params
    params_after: Params
    step: int
    lead: int


def copied(params: Params) -> Params:
    """The parameters as they are now, out of reach of the update."""
    return {
        node: {key: tensor.detach().clone() for key, tensor in tensors.items()}
        for node, tensors in params.items()
    }
