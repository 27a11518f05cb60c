"""Named tensors, reduced to the numbers of a look: what every look sees of every layer.

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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ninja.probes.blocks import Cell, Values
from ninja.probes.moments import (
    bessel,
    is_safe,
    mend_norms,
    mend_variances,
    split,
    variances,
)
from ninja.probes.names import Names
from ninja.rules import Rule, Sigmoid, Tanh

SATURATED = 0.97
"""The lecture's bound: a tanh beyond it counts as saturated."""

SATURATE = (Tanh, Sigmoid)
"""Activations that are flat at both ends."""


@dataclass(frozen=True)
class Subjects:
    """What is measured of a network, by name.

    Attributes:
        graded: parameters that have a gradient.
        params: all parameters.
        moved: those of them whose update is measured.
        outputs: nodes whose output has a delta.
        units: nodes whose output is measured itself.
        gates: of the units, those that saturate, with their rule.
        reached: activations whose pre-activation has a delta: the node that they read, of
            ``outputs``, and its number of features.
        known: the update is a multiple of the gradient, and needs not be measured beside it.
    """

    graded: Names
    params: Names
    moved: Names
    outputs: list[str]
    units: list[str]
    gates: Mapping[str, Rule]
    reached: Mapping[str, tuple[str, int]]
    known: bool = False


Room = tuple[Tensor, Sequence[Tensor]]
"""The sums of B looks, (sums, B), and its rows."""


class Columns:
    """Reduces tensors that come in a certain order, (B, elements) each.

    First the gradients, then the parameters, the outputs' deltas, the units, and the directions of
    the updates unless these are known. B is the number of replicas, or of looks, that are reduced
    together.

    Attributes:
        subjects: what is measured.
        cells: where each number of a look belongs.
        counts: elements of each tensor that is measured.
        count: how many these are.
        centred: those of them that have a mean, by their places.
        gates_at: places of the units that saturate, in the order of their shares.
        reached_at: places and widths of the deltas whose dead units are counted.
        gated: the rules of the former, by their places.
        widths: those of the latter, by their places.
    """

    def __init__(self, subjects: Subjects, counts: Sequence[int]) -> None:
        """Plan for tensors of as many elements each, beside (B,)."""
        of = self.subjects = subjects
        self.cells = self._cells()
        own, params = len(of.graded), {name: at for at, name in enumerate(of.params)}
        deltas = {name: own + len(params) + at for at, name in enumerate(of.outputs)}
        last = own + len(params) + len(deltas)
        units = {name: last + at for at, name in enumerate(of.units)}
        graded = {name: at for at, name in enumerate(of.graded)}
        end = last + len(units)
        moved = [graded[name] for name in of.moved] if of.known else range(end, end + len(of.moved))
        self.centred = [*moved, *(own + params[name] for name in of.moved), *units.values()]
        self.gates_at = [units[name] for name in of.gates]
        self.reached_at = [(deltas[source], width) for source, width in of.reached.values()]
        self._at = np.array(self.centred, dtype=np.intp)
        self.gated = {units[name]: rule for name, rule in of.gates.items()}
        self.widths = dict(self.reached_at)
        self.counts, self.count = list(counts), len(counts)
        totals, crowds = self.count, self.count + len(self.centred)
        self._total_at = {index: totals + at for at, index in enumerate(self.centred)}
        self._crowd_at = {index: crowds + at for at, index in enumerate(self.gates_at)}
        self._room: Room = (torch.empty(0, 0), ())
        size = np.array(counts, dtype=np.float64)[:, None]
        self.size = size[self.centred]
        self.root = np.sqrt(size[last - len(deltas) : last])
        self.bessel = bessel(size[last:end])
        gates = [size[at, 0] for at in self.gates_at]
        widths = [width for _, width in self.reached_at]
        self.counted = np.array([*gates, *widths], dtype=np.float64)[:, None]

    def _cells(self) -> list[Cell]:
        """In the order of a look."""
        of = self.subjects
        columns = (
            ("grad_norm", of.graded),
            ("weight_norm", of.params),
            ("update_ratio", of.moved),
            ("delta_rms", [(name, "y") for name in of.outputs]),
            ("act_mean", [(name, "y") for name in of.units]),
            ("act_std", [(name, "y") for name in of.units]),
            ("saturated", [(name, "y") for name in of.gates]),
            ("dead", [(name, "y") for name in of.reached]),
        )
        return [Cell(node, key, column) for column, names in columns for node, key in names]

    @torch.inference_mode()
    def sums(self, measured: list[Tensor]) -> Values:
        """All that needs the tensors themselves: (norms, totals and counts, B).

        Args:
            measured: in the order of the plan, (B, elements) each.
        """
        if not measured:
            return np.empty((0, 0))
        found, rows = self._room_for(measured[0])
        for index, t in enumerate(measured):  # all of one tensor, while it is in the cache
            torch.linalg.vector_norm(t, dim=-1, out=rows[index])
            if index in self._total_at:
                torch.sum(t, -1, out=rows[self._total_at[index]])  # a mean takes twice as long
            if index in self._crowd_at:
                saturated(self.gated[index], t, out=rows[self._crowd_at[index]])
        last = len(rows) - len(self.reached_at)
        for (index, width), row in zip(self.reached_at, rows[last:], strict=True):
            nonzero(measured[index][:, :width], out=row)  # of the first row
        sums = found.cpu().numpy().astype(np.float64)
        for (index, width), count in zip(self.reached_at, sums[last:], strict=True):
            if count.min() < width:  # else every unit lives, and no other row needs be read
                count[:] = alive(measured[index].unflatten(1, (-1, width))).cpu().numpy()
        return sums

    def _room_for(self, like: Tensor) -> Room:
        """The same as the last time, if it fits: what lies there needs not be joined later.

        Args:
            like: (B, elements), one that is reduced into it.
        """
        found, _ = self._room
        fits = (found.shape[-1], found.dtype, found.device)
        if fits != (len(like), like.dtype, like.device):
            found = like.new_empty(self.count + len(self.centred) + len(self.counted), len(like))
            self._room = (found, found.unbind())
        return self._room

    def safe(self, sums: Values) -> bool:
        """Whether `columns` can do without the tensors."""
        norm, total, _ = split(sums, self.count, len(self.centred))
        return is_safe(norm, norm.take(self._at, axis=0), total, self.size)

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
        of = self.subjects
        own, m, gates = len(of.graded) + len(of.params), len(of.moved), len(of.gates)
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
                share[:gates] += 0 * norm[self.gates_at]
                share[gates:] += 0 * norm[[at for at, _ in self.reached_at]]
            return np.concatenate(
                [
                    norm[:own],
                    update_ratio(rate, variance[:m], variance[m : 2 * m]),
                    norm[own : own + len(of.outputs)] / self.root,
                    mean[2 * m :],
                    np.sqrt(variance[2 * m :] * self.bessel),
                    share,
                ]
            )

    def grad_norm(self, values: Values) -> Values:
        """The norm of the whole gradient, (...), from the numbers of a look."""
        grad = np.ascontiguousarray(np.moveaxis(values[: len(self.subjects.graded)], 0, -1))
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


def saturated(rule: Rule, y: Tensor, out: Tensor | None = None) -> Tensor:
    """How many elements lie beyond the lecture's bound, (B,), by floats: booleans are slower.

    Args:
        rule: an activation that saturates.
        y: (B, elements), its output.
        out: takes them, if it is given.
    """
    size = (2 * y - 1).abs_() if isinstance(rule, Sigmoid) else y.abs()
    return torch.sum(size.gt_(SATURATED), -1, out=out)


def alive(dx: Tensor) -> Tensor:
    """How many units send a gradient back on some row, (B,).

    Args:
        dx: (B, N, F), the deltas of the pre-activations.
    """
    return nonzero(dx.abs().sum(-2))


def nonzero(values: Tensor, out: Tensor | None = None) -> Tensor:
    """How many of the last dimension are not zero; what is not a number is not."""
    return torch.linalg.vector_norm(values, 0, dim=-1, out=out)
