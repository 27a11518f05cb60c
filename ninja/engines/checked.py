"""Two engines on one forward, and how far they are apart."""

from dataclasses import dataclass

from ninja.agreement import gap
from ninja.engines.base import Engine
from ninja.net import Net
from ninja.types import Gradients, Trace, Watch


@dataclass(frozen=True)
class Checked:
    """The engine in use, with its gap from a reference, on the same trace.

    Training goes on with the first engine's deltas, bit for bit as without the check.
    """

    engine: Engine
    reference: Engine

    @property
    def graph(self) -> bool:
        """Whether either of them needs autograd to record the forward."""
        return self.engine.graph or self.reference.graph

    def __call__(self, net: Net, trace: Trace, watch: Watch = "params") -> Gradients:
        """See `Engine`."""
        deltas = self.engine(net, trace, watch).deltas
        reference = self.reference(net, trace, "params").deltas
        return Gradients(deltas, gap(deltas, reference, trace.bound, trace.loss.dim()))
