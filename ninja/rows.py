"""A step as rows of the record, one for each replica: plain numbers, and where they belong."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ninja.probes import (
    LOOKS,
    Cell,
    Due,
    Gaps,
    Layers,
    Pending,
    Place,
    Snapshot,
    Values,
    close_blocks,
    cosine,
    histograms,
    numbers,
    places,
)
from ninja.train import Step, Training


@dataclass(frozen=True)
class Seen:
    """What was seen of a step.

    Attributes:
        step: its number.
        lr: its learning rate, one or (R,).
        scalars: (...) each, one number a replica.
        lists: of numbers, (numbers, ...): "layers", "close", "gaps".
        histograms: as plain data, one list a replica; none of most steps.
        looked: it has "layers", which are not in the lists before `Sight.rows`.
    """

    step: int
    lr: float | Tensor
    scalars: dict[str, Values]
    lists: dict[str, Values]
    histograms: list[list[dict[str, Any]]]
    looked: bool

    def rows(self) -> list[dict[str, Any]]:
        """One a replica, of plain data."""
        columns: dict[str, list[Any]] = {
            name: value.reshape(-1).tolist() for name, value in self.scalars.items()
        }
        for key, values in self.lists.items():
            columns[key] = values.reshape(len(values), -1).T.tolist()
        if self.histograms:
            columns["histograms"] = self.histograms
        replicas = len(columns["loss"])
        lrs = self.lr.tolist() if isinstance(self.lr, Tensor) else [self.lr] * replicas
        return [
            {"step": self.step, "lr": lrs[r], **{name: of[r] for name, of in columns.items()}}
            for r in range(replicas)
        ]


class Sight:
    """Sees the steps of one training, and knows where the numbers belong.

    Attributes:
        cells: of each list that was seen so far.
        waiting: steps that were seen since the rows were last asked for.
    """

    def __init__(self, run: Training) -> None:
        """Nothing was seen yet."""
        self.run = run
        self.cells: dict[str, list[Cell]] = {}
        self.waiting: list[Seen] = []
        self._layers: Layers | None = None
        self._pending: Pending | None = None
        self._sums: list[tuple[Values, Values | None]] = []
        self._gaps: Gaps | None = None

    def places(self, key: str) -> list[Place]:
        """Where the numbers of a list belong: the same on every step."""
        return places(self.run.net, self.cells[key])

    @property
    def full(self) -> bool:
        """Whether the rows must be asked for before the next look."""
        return len(self.waiting) >= (LOOKS if self._pending is None else self._pending.room)

    def see(self, step: Step, due: Due) -> Seen:
        """Take all that is due of a step. What is not reduced yet is not in what it returns.

        Args:
            step: just made; the next one will write over its tensors.
            due: what it owes.
        """
        lists: dict[str, Values] = {}
        scalars: dict[str, Values] = {"loss": step.trace.loss.detach().cpu().numpy()}
        spread: list[list[dict[str, Any]]] = []
        if step.snapshot is not None:
            self._look(step.snapshot)
            if due.close:
                self._closely(step, lists, scalars)
                if self.run.config.probe.histograms:
                    spread = _histograms(step)
        if step.reference is not None:
            if self._gaps is None:
                self._gaps = Gaps(self.run.params, step.trace.loss.dim())
            scalars["gap"], gaps = self._gaps(step.deltas, step.reference)
            lists["gaps"] = gaps.values
            if "gaps" not in self.cells:
                self.cells["gaps"] = gaps.cells()
        if step.noise is not None:
            scalars["noise_trace"], scalars["noise_norm2"] = step.noise
        seen = Seen(step.number, step.lr, scalars, lists, spread, step.snapshot is not None)
        self.waiting.append(seen)
        return seen

    def rows(self) -> list[list[dict[str, Any]]]:
        """The rows of all steps that wait, in their order; one a replica each."""
        seen, self.waiting = self.waiting, []
        if self._layers is not None:
            ready = iter(self._columns())
            for one in seen:
                if one.looked:
                    one.lists["layers"] = values = next(ready)
                    one.scalars["grad_norm"] = self._layers.grad_norm(values)
        return [one.rows() for one in seen]

    def _look(self, snapshot: Snapshot) -> None:
        if self._layers is None:
            self._layers = Layers(snapshot)
            self.cells["layers"] = self._layers.cells
            like = snapshot.trace.loss
            pending = None if snapshot.lead else Pending(self._layers, like)
            self._pending = pending if pending is not None and pending.room > 1 else None
        if self._pending is not None:
            self._pending.take(self._layers.measured(snapshot), snapshot.rate)
            return
        measured, rate = self._layers.flat(snapshot), np.asarray(snapshot.rate)
        sums = self._layers.sums(measured)
        self._sums.append((sums, rate))
        if not self._layers.safe(sums):  # the tensors are needed once more
            self._sums[-1] = (self._layers.columns(sums, rate, measured), None)

    def _columns(self) -> list[Values]:
        """The numbers of the looks that wait, (cells, B) each, in their order."""
        assert self._layers is not None
        if self._pending is not None:
            return list(self._pending.columns().T[:, :, None]) if self._pending.count else []
        waiting, self._sums = self._sums, []
        safe = [(sums, rate) for sums, rate in waiting if rate is not None]
        if not safe:
            return [values for values, _ in waiting]
        together = np.concatenate([sums for sums, _ in safe], axis=1)
        rates = np.concatenate([np.broadcast_to(rate, sums.shape[1:]) for sums, rate in safe])
        done = iter(np.hsplit(self._layers.columns(together, rates, None), len(safe)))
        return [values if rate is None else next(done) for values, rate in waiting]

    def _closely(self, step: Step, lists: dict[str, Values], scalars: dict[str, Values]) -> None:
        blocks = close_blocks(self.run.net, step.trace)
        if blocks:
            lists["close"] = numbers(blocks)
            if "close" not in self.cells:
                self.cells["close"] = [cell for block in blocks for cell in block.cells()]
        if step.previous:
            lead = step.trace.loss.dim()
            scalars["cosine"] = cosine(self.run.params, step.deltas, step.previous, lead)


def _histograms(step: Step) -> list[list[dict[str, Any]]]:
    assert step.snapshot is not None
    found: list[list[dict[str, Any]]] = [[] for _ in range(step.trace.loss.numel())]
    for of in histograms(step.snapshot):
        counts = of.counts.reshape(-1, of.counts.shape[-1]).tolist()
        edges = of.edges.reshape(-1, of.edges.shape[-1]).tolist()
        outside = of.outside.reshape(-1).tolist()
        for replica, rows in enumerate(found):
            rows.append(
                {
                    "node": of.node,
                    "tensor": of.tensor,
                    "of": of.of,
                    "counts": counts[replica],
                    "edges": edges[replica],
                    "outside": outside[replica],
                }
            )
    return found
