"""Looks that wait for each other: a few steps of one small run are reduced as a stack would be.

To reduce a small network's tensors takes longer to ask for than to do. So a look copies them side
by side, and the rest is done for many looks at once.
"""

import numpy as np
import torch

from ninja.probes.blocks import Values
from ninja.probes.layers import Layers
from ninja.probes.snapshot import Snapshot

LOOKS = 16
"""That wait for each other at most."""

ELEMENTS = 1 << 20
"""Of all looks that wait, at most: 4 MiB. A larger network is not copied."""


class Pending:
    """The looks of a single run that were taken and not yet reduced.

    Attributes:
        room: for how many looks; below 2 there is nothing to wait for.
        count: how many there are.
    """

    def __init__(self, layers: Layers, first: Snapshot) -> None:
        """Make room for looks such as this one."""
        self._layers = layers
        measured = layers.measured(first)
        self._sizes = [t.numel() for t in measured]
        total = sum(self._sizes)
        self.room, self.count = min(LOOKS, ELEMENTS // max(total, 1)), 0
        self._values = measured[0].new_zeros((max(self.room, 0), total))
        self._rates = np.zeros(self.room)

    @torch.inference_mode()
    def take(self, snapshot: Snapshot) -> None:
        """Copy what a look needs: the next step writes over it."""
        measured = self._layers.measured(snapshot)
        torch.cat([t.reshape(-1) for t in measured], out=self._values[self.count])
        self._rates[self.count] = snapshot.rate
        self.count += 1

    @torch.inference_mode()
    def columns(self) -> Values:
        """The numbers of the looks in the order they were taken, (cells, looks); they are gone."""
        count, self.count = self.count, 0
        parts = list(self._values.split(self._sizes, dim=1))
        # of all, used or not: a look's numbers must not depend on how many others there are
        sums = self._layers.sums(parts)[:, :count]
        return self._layers.columns(sums, self._rates[:count], [part[:count] for part in parts])
