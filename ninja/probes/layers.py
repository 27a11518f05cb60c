"""What every look sees of every layer.

========================  ========================================================================
of every parameter
------------------------  ------------------------------------------------------------------------
grad_norm                 ‖∂loss/∂w‖
weight_norm               ‖w‖ after the update
update_ratio              log10(std(applied Δw)/std(w)), of matrices only; `update_ratio`
of every node's output
------------------------  ------------------------------------------------------------------------
delta_rms                 √(mean of squares) of ∂loss/∂y; not of the loss itself
of every activation
------------------------  ------------------------------------------------------------------------
act_mean                  mean of the output
act_std                   its deviation (unbiased)
saturated                 share of elements with abs(y) > 0.97; tanh, and 2y − 1 of a sigmoid
dead                      share of units whose pre-activation gets a delta of exactly 0 from
                          every row
========================  ========================================================================

A column that says nothing of a layer is left out; one that is not a number is a finding: the layer
holds something that is not finite.
"""

import numpy as np
import torch
from torch import Tensor

from ninja.net import Net, Node
from ninja.probes.blocks import Cell, Values
from ninja.probes.moments import (
    bessel,
    host,
    is_safe,
    mend_norms,
    mend_variances,
    split,
    variances,
)
from ninja.probes.names import matrices, names_of, picked
from ninja.probes.snapshot import Snapshot
from ninja.rules import Rule, Sigmoid, Tanh
from ninja.rules.activations import Activation

SATURATED = 0.97
"""The lecture's bound: a tanh beyond it counts as saturated."""

SATURATE = (Tanh, Sigmoid)
"""Activations that are flat at both ends."""


class Layers:
    """One network's layers. What there is to see is found out once, and then only looked at.

    Attributes:
        cells: where each number of a look belongs.
        count: of the tensors that are measured.
    """

    def __init__(self, first: Snapshot) -> None:
        """Plan for snapshots that hold what this one does."""
        deltas, self.lead = first.deltas, first.lead
        nodes = activations_of(first.net)
        self.names = names_of(first.params)
        self.weights = matrices(first.params, self.lead)
        self.outputs = [
            node.name
            for node in first.net.nodes
            if "y" in deltas.get(node.name, {}) and deltas[node.name]["y"].dim() > self.lead
        ]
        self.units = [node.name for node in nodes]
        self.gates = [node for node in nodes if isinstance(node.rule, SATURATE)]
        self.reached = [node for node in nodes if node.inputs[0] in self.outputs]
        self.cells = self._cells()
        # where each is found among all that is measured
        own, last = len(self.names), 2 * len(self.names) + len(self.outputs)
        chosen = [self.names.index(name) for name in self.weights]
        rest = [*(own + at for at in chosen), *range(last, last + len(self.units))]
        moved = range(last + len(self.units), last + len(self.units) + len(chosen))
        self.known = first.directions is deltas  # the directions of the update are gradients
        self.centred = [*(chosen if self.known else moved), *rest]
        self.gates_at = [(node, last + self.units.index(node.name)) for node in self.gates]
        self.reached_at = [
            (2 * own + self.outputs.index(source), deltas[source]["y"].shape[-1])
            for source in (node.inputs[0] for node in self.reached)
        ]
        self._centred = frozenset(self.centred)
        self._gated = {at: node.rule for node, at in self.gates_at}
        self._widths = dict(self.reached_at)
        # how many elements there are, beside (…, B)
        counts = [t.shape[self.lead :].numel() for t in self.measured(first)]
        self.count = len(counts)
        size = np.array(counts, dtype=np.float64)[:, None]
        self.size = size[self.centred]
        self.root = np.sqrt(size[2 * own : last])
        self.bessel = bessel(size[last : last + len(self.units)])
        units = [size[at, 0] for _, at in self.gates_at]
        widths = [width for _, width in self.reached_at]
        self.counted = np.array([*units, *widths], dtype=np.float64)[:, None]

    def measured(self, step: Snapshot) -> list[Tensor]:
        """Gradients, parameters, outputs' deltas, units, and directions that are no gradients."""
        deltas, saved = step.deltas, step.trace.saved
        return [
            *picked(deltas, self.names),
            *picked(step.params, self.names),
            *(deltas[name]["y"] for name in self.outputs),
            *(saved[name]["y"] for name in self.units),
            *(() if self.known else picked(step.directions, self.weights)),
        ]

    def _cells(self) -> list[Cell]:
        """In the order of a look."""
        columns = (
            ("grad_norm", self.names),
            ("weight_norm", self.names),
            ("update_ratio", self.weights),
            ("delta_rms", [(name, "y") for name in self.outputs]),
            ("act_mean", [(name, "y") for name in self.units]),
            ("act_std", [(name, "y") for name in self.units]),
            ("saturated", [(node.name, "y") for node in self.gates]),
            ("dead", [(node.name, "y") for node in self.reached]),
        )
        return [Cell(node, key, column) for column, names in columns for node, key in names]

    @torch.inference_mode()
    def __call__(self, snapshot: Snapshot) -> Values:
        """The numbers of a step, (cells, ...)."""
        measured = self.flat(snapshot)
        values = self.columns(self.sums(measured), np.asarray(snapshot.rate), measured)
        return values if self.lead else values[:, 0]

    def flat(self, step: Snapshot) -> list[Tensor]:
        """`measured`, (B, elements) each: B is the number of replicas, 1 for a single run."""
        if self.lead:
            return [t.flatten(1) for t in self.measured(step)]
        return [t.reshape(1, -1) for t in self.measured(step)]

    @torch.inference_mode()
    def sums(self, measured: list[Tensor]) -> Values:
        """All that needs the tensors themselves: (norms, totals and counts, B).

        Args:
            measured: as `measured` has them, (B, elements) each: of several replicas, or of several
                steps of one run.
        """
        norm, total = list[Tensor](), dict[int, Tensor]()
        crowd, living = dict[int, Tensor](), dict[int, Tensor]()
        for index, t in enumerate(measured):  # all of one tensor, while it is in the cache
            norm.append(torch.linalg.vector_norm(t, dim=-1))
            if index in self._centred:
                total[index] = t.sum(-1)  # torch's mean takes twice as long
            if index in self._gated:
                crowd[index] = saturated(self._gated[index], t)
            if index in self._widths:
                living[index] = alive(t.unflatten(1, (-1, self._widths[index])))
        return host(
            [
                *norm,
                *(total[index] for index in self.centred),
                *(crowd[index] for _, index in self.gates_at),
                *(living[index] for index, _ in self.reached_at),
            ]
        )

    def safe(self, sums: Values) -> bool:
        """Whether `columns` can do without the tensors."""
        norm, total, _ = split(sums, self.count, len(self.centred))
        return is_safe(norm, norm[self.centred], total / self.size, self.size)

    @torch.inference_mode()
    def columns(self, sums: Values, rate: Values, measured: list[Tensor] | None) -> Values:
        """The numbers of a look, (cells, B).

        Args:
            sums: of `sums`.
            rate: of the updates, one or (B,).
            measured: of which; none where they are `safe`.
        """
        norm, total, count = split(sums, self.count, len(self.centred))
        mean = total / self.size
        k, m, gates = len(self.names), len(self.weights), len(self.gates)
        with np.errstate(all="ignore"):  # what is not finite is a number too
            if measured is not None:
                mend_norms(norm, measured)
            variance = variances(norm[self.centred], mean, self.size)
            if measured is not None:
                centred = [measured[index] for index in self.centred]
                mend_variances(variance, norm[self.centred], self.size, centred)
            share = count / self.counted
            share[gates:] = 1 - share[gates:]
            if not np.isfinite(norm).all():
                share[:gates] += 0 * norm[[at for _, at in self.gates_at]]
                share[gates:] += 0 * norm[[at for at, _ in self.reached_at]]
            return np.concatenate(
                [
                    norm[: 2 * k],
                    update_ratio(rate, variance[:m], variance[m : 2 * m]),
                    norm[2 * k : 2 * k + len(self.outputs)] / self.root,
                    mean[2 * m :],
                    np.sqrt(variance[2 * m :] * self.bessel),
                    share,
                ]
            )

    def grad_norm(self, values: Values) -> Values:
        """The norm of the whole gradient, (...), from the numbers of a look."""
        grad = np.ascontiguousarray(np.moveaxis(values[: len(self.names)], 0, -1))
        return np.sqrt((grad * grad).sum(-1))  # each replica in the order of the run alone


def update_ratio(rate: float | Values, direction: Values, spread: Values) -> Values:
    """log10(std(applied Δw)/std(w)), w as it is after the update, which is the lecture's.

    About −3 is healthy. −∞ is a matrix that did not move, or moved as one; +∞ one whose elements
    are all equal, and not a number one that is both.

    Args:
        rate: of the update, one or (...): Δw is this times a direction.
        direction: (matrices, ...), its variance.
        spread: (matrices, ...), variance of w.
    """
    return 0.5 * np.log10(np.square(rate) * direction / spread)


def saturated(rule: Rule, y: Tensor) -> Tensor:
    """How many elements lie beyond the lecture's bound, (B,), by floats: booleans are slower.

    Args:
        rule: an activation that saturates.
        y: (B, elements), its output.
    """
    size = (2 * y - 1).abs_() if isinstance(rule, Sigmoid) else y.abs()
    return size.gt_(SATURATED).sum(-1)


def alive(dx: Tensor) -> Tensor:
    """How many units send a gradient back on some row, (B,).

    Args:
        dx: (B, N, F), the deltas of the pre-activations.
    """
    return torch.linalg.vector_norm(dx.abs().sum(-2), 0, dim=-1)


def activations_of(net: Net) -> list[Node]:
    """The nodes that are activations, in depth order."""
    return [node for node in net.nodes if isinstance(node.rule, Activation)]
