"""A closer look at the activations of a due step, at once: what they read may be gone soon."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from ninja.observe import kinds
from ninja.observe.sums import elements
from ninja.probes.blocks import Cell
from ninja.probes.close import closed_share, linear_share, twin_share
from ninja.probes.histograms import histogram

if TYPE_CHECKING:
    from ninja.observe.calls import Call
    from ninja.observe.nodes import Node

CALLS = 4
"""Of a node that are looked at closely in one step, if it is called more often."""

Of = Literal["value", "delta"]


@dataclass(frozen=True)
class Spread:
    """A histogram on its device.

    Attributes:
        tensor: "y" or a parameter's name.
        of: the tensor's own values, or those of its delta.
        parts: counts, edges, and what lies outside.
    """

    tensor: str
    of: Of
    parts: tuple[Tensor, Tensor, Tensor]

    def row(self, node: str, found: Iterator[float], scale: float) -> dict[str, Any]:
        """As plain data, from what has become of its parts on the host."""
        bins = len(self.parts[0])
        counts, edges = list(islice(found, bins)), list(islice(found, bins + 1))
        scale = scale if self.of == "delta" else 1.0
        return {
            "node": node,
            "tensor": self.tensor,
            "of": self.of,
            "counts": [int(count) for count in counts],
            "edges": [edge / scale for edge in edges],
            "outside": int(next(found)),
        }


class Closely:
    """Looks at the activations as they are called."""

    def __init__(self) -> None:
        self._seen: Counter[Node] = Counter()

    @torch.no_grad()
    def forward(self, call: "Call", x: Tensor, y: Tensor) -> None:
        """Look at an activation.

        Args:
            call: of the activation.
            x: what it read, not overwritten.
            y: what it returned.
        """
        self._seen[call.node] += 1
        if self._seen[call.node] > CALLS:
            return
        rows = _rows(y, call.axis)
        call.close["twins"] = twin_share(rows)
        if x.shape == y.shape:
            read, rule = _rows(x, call.axis), kinds.FLAT.get(call.node.kind)
            call.close["linear"] = linear_share(read, rows)
            if rule is not None:
                call.close["gate"] = closed_share(rule, rule.forward({}, read))
        limit = 1.0 if call.node.kind == "tanh" else None
        call.spreads.append(Spread("y", "value", histogram(rows, 0, limit=limit)))

    @torch.no_grad()
    def delta(self, call: "Call", grad: Tensor) -> None:
        """Look at what has come back to an activation."""
        if call.close:
            call.spreads.append(spread("y", grad))


def spread(tensor: str, grad: Tensor) -> Spread:
    """The histogram of a delta."""
    return Spread(tensor, "delta", histogram(_rows(grad.reshape(1, -1), -1).reshape(-1), 0))


def reported(
    calls: Mapping["Node", Sequence["Call"]], spreads: Sequence[tuple[str, Spread]], scale: float
) -> tuple[list[Cell], list[float], list[dict[str, Any]]]:
    """The numbers and the histograms of a closer look, with one transfer.

    Args:
        calls: of every node; the first that was looked at stands for all.
        spreads: of the parameters, with the names of their nodes.
        scale: of the loss.
    """
    looked = {node: next((call for call in of if call.close), None) for node, of in calls.items()}
    chosen = [(node, call) for node, call in looked.items() if call is not None and node.acts]
    numbers = [
        (Cell(node.name, "y", column), value)
        for node, call in chosen
        for column, value in call.close.items()
    ]
    drawn = [(node.name, spread) for node, call in chosen for spread in call.spreads[:2]]
    drawn.extend(spreads)
    parts = [part for _, spread in drawn for part in spread.parts]
    found = iter(elements([*(value for _, value in numbers), *parts]))
    values = list(islice(found, len(numbers)))
    histograms = [spread.row(name, found, scale) for name, spread in drawn]
    return [cell for cell, _ in numbers], values, histograms


def _rows(t: Tensor, axis: int) -> Tensor:
    """(N, F), in a dtype that can count."""
    t = t.detach().movedim(axis, -1)
    t = t.reshape(-1, t.shape[-1])
    return t.float() if t.element_size() < 4 else t
