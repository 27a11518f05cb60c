"""What a due step does to the parameters: gradients before clipping, weights before the update."""

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from ninja.observe.arrays import Array, squares
from ninja.observe.closely import Spread, spread
from ninja.observe.modules import Modules, Owned
from ninja.observe.outputs import are_there
from ninja.observe.seen import Seen
from ninja.observe.sums import Sums, sums

FRAMES = 16
"""Between an optimizer's hook and the scaler that called it, at most."""

GRAD = attrgetter("tensor.grad")

Room = list[tuple[Array, Array]]
"""Arrays to copy into, and arrays to copy."""


@dataclass
class Group:
    """The parameters of one optimizer, or those of none.

    Attributes:
        optimizer: which.
        members: real parameters that train, the smallest first.
        matrices: those of them whose update is measured.
        rate: the largest learning rate.
        stepped: the optimizer was called.
        backed: a backward pass has ended before that.
        late: the first one has ended after it: a step behind is looked at.
        graded: the members that had a gradient, at the end of the last backward pass.
        grads: these gradients, reduced.
        dense: none of them was sparse.
        before: the matrices before the update; none before they were copied.
        spreads: histograms of the matrices' gradients, if a closer look is due.
        room: in the fast lane, arrays for the matrices, and these themselves as arrays.
        squares: in the fast lane, sums of squares of all gradients; none if one is missing.
    """

    optimizer: Optimizer | None
    members: list[Owned]
    matrices: list[Owned]
    rate: float = math.nan
    stepped: bool = False
    backed: bool = False
    late: bool = False
    graded: list[Owned] = field(default_factory=list)
    grads: list[Sums] = field(default_factory=list)
    dense: bool = True
    before: Sequence[Tensor] | None = None
    spreads: list[tuple[str, Spread]] | None = None
    room: Room | None = None
    squares: list[float] | None = None

    def clear(self, room: Room | None, *, close: bool) -> None:
        """Before the next due step."""
        self.rate, self.stepped = math.nan, False
        self.backed = self.late = False
        self.graded, self.grads, self.before = [], [], None
        self.spreads = [] if close else None
        self.room, self.squares = room, None

    def came(self) -> None:
        """A backward pass has ended: take the gradients, unless the parameters have moved."""
        if self.stepped:
            self.late = not self.backed
        else:
            self.backed = True
            self.note()

    def note(self) -> None:
        """Take the gradients as they are now."""
        grads = list(map(GRAD, self.members))
        if self.room is None:
            self._reduce(grads)
        else:
            self.squares = squares(list(map(Tensor.numpy, grads))) if are_there(grads) else None

    @torch.no_grad()
    def _reduce(self, grads: Sequence[Tensor | None]) -> None:
        found = zip(self.members, grads, strict=True)
        present = [(one, _dense(grad)) for one, grad in found if grad is not None]
        self.graded = [one for one, _ in present]
        self.grads = [sums(grad) for _, grad in present]
        self.dense = all(g.layout == torch.strided for g in grads if g is not None)
        if self.spreads is not None:
            matrices = set(self.matrices)
            self.spreads = [
                (one.place.name, spread(one.key, grad)) for one, grad in present if one in matrices
            ]

    def copy(self) -> None:
        """Take the matrices as they are before the update."""
        self.before = []
        if self.room is None:
            self.before = [one.tensor.detach().clone() for one in self.matrices]
        for before, weight in self.room or ():
            before[...] = weight

    def moved(self) -> Iterator[tuple[Owned, Tensor]]:
        """The matrices that had a gradient, and what they were before the update."""
        graded = set(self.graded)
        for one, before in zip(self.matrices, self.before or (), strict=False):
            if one in graded and one.tensor.shape == before.shape:
                yield one, before

    @property
    def noted(self) -> bool:
        """Whether there were gradients."""
        return bool(self.graded) or self.squares is not None


class Updates:
    """Listens to the optimizers of one model.

    Attributes:
        listening: between `start` and `stop`.
        groups: one an optimizer, and one of the parameters that have none.
        scale: of the losses, by the gradient scaler whose step was seen; 1 without.
        graded: the names of all parameters that ever had a gradient.
        updated: an optimizer was ever called between a backward pass and the end of a step.
    """

    def __init__(self, modules: Modules, optimizers: Sequence[Optimizer]) -> None:
        self._modules, self._optimizers = modules, optimizers
        self._handles: list[RemovableHandle] = []
        self._armed = False
        self.listening = False
        self.groups: list[Group] = []
        self.scale = 1.0
        self.graded: set[tuple[str, str]] = set()
        self.updated = False

    def start(self) -> None:
        """Listen, until `stop`."""
        self.listening = True
        for optimizer in self._optimizers:
            self._handles.append(optimizer.register_step_pre_hook(self._before))
            self._handles.append(optimizer.register_step_post_hook(self._after))

    def stop(self) -> None:
        """Listen no more."""
        self.listening = False
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.disarm()

    def seen(self, step: int) -> Seen:
        """What is known of a step beside its numbers.

        The parameters may have moved if an optimizer was called, or if some have none.
        """
        rates, stepped = list[float](), False
        for group in self.groups:
            if group.optimizer is None and not group.noted:  # neither an output has told, nor it
                group.note()
            if group.graded:
                self.graded.update(one.name for one in group.graded)
            if group.stepped:
                rates.append(group.rate)
                self.updated |= not group.late
            stepped |= group.stepped or group.optimizer is None
        return Seen(step, max(rates, default=math.nan), self.scale, stepped)

    def read(self) -> None:
        """Find out anew which parameters train, and by which optimizer."""
        owners = {
            id(p): at
            for at, optimizer in enumerate(self._optimizers)
            for group in optimizer.param_groups
            for p in group["params"]
        }
        members: dict[int, list[Owned]] = {}
        for one in self._modules.owned:
            if one.tensor.requires_grad and one.is_real():
                of = owners.get(id(one.tensor), len(self._optimizers))
                members.setdefault(of, []).append(one)
        optimizers = [*self._optimizers, None]
        self.groups = []
        for at in sorted(members):
            own = sorted(members[at], key=lambda one: one.tensor.numel())
            matrices = [one for one in own if one.is_matrix()]
            self.groups.append(Group(optimizers[at], own, matrices))

    def bare(self) -> list[str]:
        """The modules whose parameters train, and never had a gradient."""
        trained = {one.place.name for group in self.groups for one in group.members}
        bare = trained - {name for name, _ in self.graded}
        return [name for name in self._modules.owners if name in bare]

    def is_early(self) -> bool:
        """Whether there are optimizers, and steps have always ended before they were called."""
        return bool(self._optimizers) and not self.updated

    def arm(self, rooms: Sequence[Room] = (), *, close: bool = False, moves: bool = True) -> None:
        """A due step begins.

        Args:
            rooms: in the fast lane, one for each group.
            close: it is looked at closely.
            moves: its parameters may move.
        """
        self._armed, self.scale = True, 1.0
        for at, group in enumerate(self.groups):
            group.clear(rooms[at] if rooms else None, close=close)
            if moves and group.optimizer is None:  # nobody will say when it does
                group.copy()

    def disarm(self) -> None:
        """It has ended."""
        self._armed = False

    def note(self) -> None:
        """A backward pass has ended: take the gradients of those that have not moved yet."""
        for group in self.groups if self._armed else ():
            group.came()

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if not self._armed:
            return
        for group in self.groups:
            if group.optimizer is not optimizer or group.stepped:
                continue
            group.rate = _rate(optimizer)
            if torch._C._current_graph_task_id() >= 0:  # it is called by the backward itself
                group.backed = True
            if group.before is None:
                group.copy()
            if not group.noted:  # no output has told that a backward pass had ended
                group.note()
            if (scaler := _scaler()) is not None:
                self.scale = scaler.get_scale()

    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if not self._armed:
            return
        for group in self.groups:
            group.stepped = group.stepped or group.optimizer is optimizer


def _rate(optimizer: Optimizer) -> float:
    """The largest learning rate; not a number where the optimizer finds its own."""
    given = [of.get("lr") for of in optimizer.param_groups]
    return max((float(rate) for rate in given if rate is not None), default=math.nan)


def _dense(grad: Tensor) -> Tensor:
    """The elements that a gradient has."""
    return grad if grad.layout == torch.strided else grad.coalesce().values()


def _scaler() -> GradScaler | None:
    """The gradient scaler by whose step an optimizer's hook is called, if it is."""
    frame = sys._getframe(2)
    for _ in range(FRAMES):
        if frame is None:
            break
        if frame.f_code is GradScaler.step.__code__:
            return frame.f_locals["self"]
        frame = frame.f_back
    return None
