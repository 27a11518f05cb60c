"""The fast lane: a small network that was called twice in the same way will be called so again.

What was found out about it is kept. Its outputs are only listed while it is called, torch keeps
their gradients (`Tensor.retain_grad`), which takes half the time of a hook for each, and numpy
reduces them. A look that turns out to be another is given up: the next step is looked at in its
place, with care.
"""

from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor, is_grad_enabled, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.hooks import RemovableHandle

from ninja.observe.arrays import Array, Reduced, array, sums
from ninja.observe.caller import Caller
from ninja.observe.calls import Call, Look, at_end
from ninja.observe.gather import Gathered
from ninja.observe.outputs import are_many, are_there
from ninja.observe.seen import Seen
from ninja.probes.columns import Columns

ELEMENTS = 1 << 20
"""Of all parameters, at most."""

WAITING = 256
"""Looks whose numbers are made together."""

SHAPE, VERSION, GRAD = map(attrgetter, ("shape", "_version", "grad"))


def fits(gathered: Gathered, look: Look) -> bool:
    """Whether a look can be repeated in the lane.

    Every output is a module's only one, small, still there, and made by autograd. Every parameter
    is dense, those that train have gradients, and the matrices of them an update. All of it lies in
    this machine's memory.
    """
    calls, groups = look.calls, gathered.groups
    params = [one.tensor for one in gathered.params]
    kinds = {(p.device.type, p.dtype) for p in params} | {(of.device, of.dtype) for of in calls}
    return (
        bool(calls)
        and bool(params)
        and kinds in ({("cpu", torch.float32)}, {("cpu", torch.float64)})
        and len(gathered.entries) == len(gathered.calls)
        and all(call.place is not None and not call.leaf and call.is_small() for call in calls)
        and all(group.dense and len(group.graded) == len(group.members) for group in groups)
        and len(gathered.moved) == sum(len(group.matrices) for group in groups)
        and all(p.is_contiguous() for p in params)
        and sum(p.numel() for p in params) <= ELEMENTS
    )


class Lane:
    """Looks at a network whose calls are known.

    Attributes:
        rooms: for the matrices of each group.
    """

    def __init__(
        self,
        gathered: Gathered,
        calls: Sequence[Call],
        plan: Columns,
        model: nn.Module,
        caller: Caller,
    ) -> None:
        """Of a look that `fits`."""
        self._plan, self._model, self._groups = plan, model, gathered.groups
        self._is_other = caller.is_other
        self._places = [call.place.module for call in calls if call.place is not None]
        self._listed = frozenset(map(id, self._places))
        self._known = self._listed | {id(model)}
        self._shapes = [call.shape for call in calls]
        self._versions = [call.version for call in calls]
        at = {id(call): index for index, call in enumerate(calls)}
        of = {node.name: [at[id(call)] for call in made] for node, made in gathered.calls.items()}
        self._deltas = [index for entry in gathered.deltas for index in of[entry.name]]
        self._values = [index for entry in gathered.values for index in of[entry.name]]
        read = ((place, calls[index]) for place, index in enumerate(self._deltas))
        self._axes = [(place, of.axis) for place, of in read if of.read and of.axis != -1]
        self._tensors = [one.tensor for one in gathered.params]
        self._pointers = [p.data_ptr() for p in self._tensors]
        params = {one: array(one.tensor.detach()) for one in gathered.params}
        self.rooms = [
            [(np.empty_like(params[one]), params[one]) for one in group.matrices]
            for group in self._groups
        ]
        moved = [pair for room in self.rooms for pair in room]
        self._copies, laid = self._laid([calls[at].shape for at in (*self._deltas, *self._values)])
        self._reduced = Reduced(plan, list(params.values()), laid, moved)
        self._waiting: list[tuple[Seen, list[float]]] = []
        self._handle: RemovableHandle | None = None
        self._came_by: list[RemovableHandle] = []
        self._awaited: Sequence[nn.Module | None] = ()
        self._outputs: list[Tensor] = []
        self._give_up()

    def _laid(self, shapes: list[torch.Size]) -> tuple[list[Tensor], Array]:
        """Room for the deltas and the outputs, end to end, and the same as one array."""
        for place, axis in self._axes:
            shapes[place] = torch.empty(shapes[place], device="meta").movedim(axis, -1).shape
        sizes = [shape.numel() for shape in shapes]
        laid = self._tensors[0].new_empty(sum(sizes))
        pieces = zip(laid.split(sizes), shapes, strict=True)
        return [piece.view(shape) for piece, shape in pieces], array(laid)

    def arm(self) -> None:
        """Listen, until `disarm`; what was listed before is let go of."""
        self._let_go()
        self._awaited = (*self._places, None)
        if self._handle is None:
            self._handle = register_module_forward_hook(self._list)

    def disarm(self) -> None:
        """Listen no more."""
        self._let_go()
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def _list(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """A module has returned."""
        if id(module) not in self._known or not is_grad_enabled() or self._is_other():
            return
        outputs = self._outputs
        if module is self._awaited[len(outputs)] and type(output) is Tensor:
            outputs.append(output)
            if self._came_by:  # the model has returned: a checkpoint calls a part of it again
                self._keep([output])
        elif id(module) in self._listed:
            self._give_up()
        if module is self._model:
            self._keep(outputs)  # in a row takes half the time
            if type(output) is Tensor and output.requires_grad:
                self._came_by.append(output.register_hook(self._came))

    def _keep(self, outputs: Sequence[Tensor]) -> None:
        """Have torch keep their gradients."""
        for y in outputs:
            if y.requires_grad:
                y.retain_grad()
            elif y.is_inference():  # it has no version
                self._give_up()
                break

    def _came(self, grad: Tensor | None) -> None:
        """A hook: a backward pass has begun. It is none if that does not need this output."""
        if grad is None:
            return
        if is_grad_enabled():  # with a graph of its own, that of a penalty
            self._give_up()
        elif are_many(grad):  # of many at once, and so is what torch keeps
            at_end(partial(_forget, list(self._outputs)))
            self._give_up()
        else:
            at_end(self._note)

    def _note(self) -> None:
        for group in self._groups:
            group.came()

    def _let_go(self) -> None:
        for handle in self._came_by:
            handle.remove()
        self._came_by.clear()
        self._give_up()

    def _give_up(self) -> None:
        """This step is no more listed: nothing is awaited, and an empty list is not what was."""
        self._awaited = (None,)
        self._outputs.clear()

    def finish(self, seen: Seen) -> bool:
        """Reduce what was listed; whether it was what was expected.

        Args:
            seen: takes the numbers, in `flush`.
        """
        if not self._take():
            return False
        squares = [square for group in self._groups for square in group.squares or ()]
        with np.errstate(all="ignore"):  # what is not finite is a number too
            self._waiting.append((seen, self._reduced(squares)))
        if len(self._waiting) >= WAITING:
            self.flush()
        return True

    def _take(self) -> bool:
        """Copy the deltas and outputs, if the network was called as it was before."""
        outputs = self._outputs
        if (
            list(map(SHAPE, outputs)) != self._shapes
            or list(map(VERSION, outputs)) != self._versions
            or list(map(Tensor.data_ptr, self._tensors)) != self._pointers
            or any(group.squares is None or group.before is None for group in self._groups)
        ):
            return False
        found = list(map(GRAD, map(outputs.__getitem__, self._deltas)))
        if not are_there(found) or are_many(*found):
            return False
        for place, axis in self._axes:
            found[place] = found[place].movedim(axis, -1)
        found += map(outputs.__getitem__, self._values)
        with torch.no_grad():
            torch._foreach_copy_(self._copies, found)  # pyright: ignore[reportPrivateImportUsage]
        return True

    def flush(self) -> None:
        """Make the numbers of the looks that wait for it."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            found = sums(self._plan, [found for _, found in waiting])
            columns = self._plan.columns(found, np.ones(1), None)
            for (seen, _), values in zip(waiting, columns.T, strict=True):
                seen.take(self._plan.cells, values)


def _forget(outputs: Sequence[Tensor]) -> None:
    """Let no gradient of many at once be added to by the next pass."""
    for y in outputs:
        y.grad = None
