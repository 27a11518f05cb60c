"""What a backward engine is."""

from typing import Protocol

from ninja.net import Net
from ninja.types import Gradients, Trace, Watch


class Engine(Protocol):
    """Pulls the loss back over a trace, before anything changes the parameters it used.

    Attributes:
        graph: whether the forward must let autograd record (`Net.forward(graph=...)`).
    """

    @property
    def graph(self) -> bool:
        """Whether the forward must let autograd record."""
        ...

    def __call__(self, net: Net, trace: Trace, watch: Watch = "params") -> Gradients:
        """Gradients of the sum of the losses, one replica never reaching another.

        Args:
            net: the network that made the trace.
            trace: of one forward pass. It is not changed.
            watch: which deltas are wanted at least.
        """
        ...
