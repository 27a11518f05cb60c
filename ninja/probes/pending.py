"""Looks that wait for each other: a few steps of one small run are reduced as a stack would be.

To reduce a small network's tensors takes longer to ask for than to do. So a look copies them side
by side, and the rest is done for many looks at once.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ninja.probes.blocks import Values
from ninja.probes.columns import Columns

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

    def __init__(self, plan: Columns, like: Tensor) -> None:
        """Make room.

        Args:
            plan: of the looks to come.
            like: has their dtype and device.
        """
        self._plan = plan
        self._sizes = plan.counts
        total = sum(self._sizes)
        self.room, self.count = min(LOOKS, ELEMENTS // max(total, 1)), 0
        # ones until they are used: a unit without a delta would be looked at more closely
        self._values = like.new_ones((max(self.room, 0), total))
        self._rates = np.zeros(self.room)

    @torch.inference_mode()
    def take(self, measured: Sequence[Tensor], rate: float | Values) -> None:
        """Copy what a look needs: the next step writes over it.

        Args:
            measured: in the plan's order. It does not matter which parts of that are laid end to
                end already.
            rate: of the updates.
        """
        torch.cat([t.reshape(-1) for t in measured], out=self._values[self.count])
        self._rates[self.count] = rate
        self.count += 1

    @torch.inference_mode()
    def columns(self) -> Values:
        """The numbers of the looks in the order they were taken, (cells, looks); they are gone."""
        count, self.count = self.count, 0
        parts = list(self._values.split(self._sizes, dim=1))
        # of all, used or not: a look's numbers must not depend on how many others there are
        sums = self._plan.sums(parts)[:, :count]
        return self._plan.columns(sums, self._rates[:count], [part[:count] for part in parts])
