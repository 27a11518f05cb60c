"""From a due step to the numbers of its row, with one transfer."""

from collections.abc import Hashable, Sequence

import numpy as np
import torch

from ninja.observe.caller import Caller
from ninja.observe.calls import Look
from ninja.observe.closely import reported
from ninja.observe.gather import Gathered, Part, size
from ninja.observe.lane import Lane, fits
from ninja.observe.modules import Modules
from ninja.observe.nodes import Nodes
from ninja.observe.seen import Seen
from ninja.observe.sums import Sums, count, host, joined, sums
from ninja.observe.updates import Group
from ninja.probes.blocks import Values
from ninja.probes.columns import Columns

PLANS = 64
"""That are kept: one for every shape that looks have."""


class Measure:
    """Reduces looks."""

    def __init__(self, modules: Modules, nodes: Nodes, caller: Caller | None = None) -> None:
        self._modules, self._nodes = modules, nodes
        self._caller = caller or Caller()
        self._plans: dict[Hashable, Columns] = {}
        self._last: Hashable = None

    @torch.no_grad()
    def take(self, look: Look, groups: Sequence[Group], seen: Seen) -> Lane | None:
        """Measure a look.

        Args:
            look: with its calls.
            groups: with what they noted.
            seen: takes the numbers.

        Returns:
            The fast lane for the looks to come, if this one and the last were alike, and small.
        """
        gathered = Gathered(self._modules, self._nodes, look, groups)
        parts, key = gathered.parts(), gathered.key()
        if len(self._plans) >= PLANS:
            self._plans.clear()
        if key not in self._plans:
            self._plans[key] = Columns(gathered.subjects(), [size(part) for part in parts])
        plan = self._plans[key]
        measured = _measured(plan, parts)
        seen.take(plan.cells, plan.columns(measured, np.ones(1), None)[:, 0])
        if look.closely is not None:
            spreads = [one for group in groups for one in group.spreads or ()]
            cells, values, seen.histograms = reported(gathered.calls, spreads, seen.scale)
            seen.take(cells, np.array(values))
            return None
        again, self._last = key == self._last, key
        if again and fits(gathered, look):
            return Lane(gathered, look.calls, plan, self._modules.model, self._caller)
        return None


def _measured(plan: Columns, parts: Sequence[Part]) -> Values:
    """The sums that a plan wants, of one look of any size, (sums, 1)."""
    found = [
        part if isinstance(part, Sums) else _reduced(plan, index, part)
        for index, part in enumerate(parts)
    ]
    if not found:
        return np.empty((0, 1))
    crowds = [found[at].crowd for at in plan.gates_at]
    alive = [found[at].living for at, _ in plan.reached_at]
    numbers = [
        *(of.square for of in found),
        *(found[at].total for at in plan.centred),
        *(crowd for crowd in crowds if crowd is not None),
        *(count(marks) for marks in alive if marks is not None),
    ]
    measured = host(numbers)[:, None]
    measured[: len(found)] = np.sqrt(measured[: len(found)])
    return measured


def _reduced(plan: Columns, index: int, pieces: Sequence[torch.Tensor]) -> Sums:
    gate, width = plan.gated.get(index), plan.widths.get(index, 0)
    return joined([sums(piece, gate, width) for piece in pieces])
