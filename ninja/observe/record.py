"""The rows of a watched training, kept until they are asked for."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from ninja import records
from ninja.observe.modules import Modules
from ninja.observe.nodes import Nodes
from ninja.observe.seen import Seen
from ninja.observe.sums import host
from ninja.records import Place


class Story:
    """The numbers and the losses of every step that was looked at.

    Attributes:
        steps: that were made.
    """

    def __init__(self, modules: Modules, nodes: Nodes) -> None:
        self.steps = 0
        self._modules, self._nodes = modules, nodes
        self._seen: dict[int, Seen] = {}
        self._losses: dict[int, Tensor | float] = {}

    def step(self, loss: Tensor | float) -> None:
        """A step that is looked at was made. Its loss comes to the host when it is asked for."""
        self._losses[self.steps] = loss
        self.steps += 1

    @property
    def looked(self) -> bool:
        """Whether a step was ever looked at."""
        return bool(self._seen)

    def see(self, seen: Seen) -> None:
        """A due step was looked at; its numbers may come later."""
        self._seen[seen.step] = seen

    def rows(self) -> Iterator[dict[str, Any]]:
        """As `ninja.records.rows` yields them; all numbers must have come."""
        for row, places in self.lines():
            if places:
                row["layers"] = records.Layers({"layers": row["layers"]}, {"layers": places})
            yield row

    def lines(self) -> Iterator[tuple[dict[str, Any], list[Place]]]:
        """The same with the numbers of the layers as a bare list, and where they belong."""
        self._settle()
        depths, lr = self._nodes.depths(self._modules.owners), math.nan
        for step in sorted(self._losses):
            seen = self._seen.get(step)
            lr = lr if seen is None or math.isnan(seen.lr) else seen.lr
            row: dict[str, Any] = {"step": step, "lr": lr, "loss": self._losses[step]}
            if seen is None or seen.is_skipped():
                yield row, []
                continue
            row |= _numbers(seen)
            yield row, [(*_at(depths, of.node), of.tensor, of.column) for of in seen.cells]

    def _settle(self) -> None:
        """Bring the losses to the host, together."""
        waiting = {step: of for step, of in self._losses.items() if isinstance(of, Tensor)}
        if waiting:
            found = host([loss.reshape(()) for loss in waiting.values()])
            self._losses |= zip(waiting, found.tolist(), strict=True)


def _numbers(seen: Seen) -> dict[str, Any]:
    """What was seen of a step."""
    norms = seen.of("grad_norm")
    found: dict[str, Any] = {"grad_norm": math.hypot(*norms)} if norms else {}
    if seen.histograms:
        found["histograms"] = [dict(of) for of in seen.histograms]
    return {**found, "layers": seen.numbers()}


def _at(depths: Mapping[str, tuple[int, str]], node: str) -> tuple[int, str, str]:
    depth, kind = depths[node]
    return depth, node, kind
