"""What listens to a model while a step is due: nothing at all is registered in between.

The hooks are global ones, and leave the calls of other modules alone. Hooks of each module would
switch off torch's fast path of attention even in an evaluation, whose bits would not be the same.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils.hooks import RemovableHandle

from ninja.observe import kinds
from ninja.observe.caller import Caller
from ninja.observe.calls import Call, Look
from ninja.observe.functions import Functions
from ninja.observe.modules import Modules, Place
from ninja.observe.nodes import Node, Nodes
from ninja.observe.outputs import is_plain, tensors


class _Read(NamedTuple):
    """What an activation reads: whose output that is, if it has a delta, and its values."""

    node: Node
    source: Call | None
    x: Tensor


class Hooks:
    """Notes the outputs of modules, and of activations that are functions, into a `Look`.

    Attributes:
        functional: the last closer look has found activations that are functions: from then on they
            are looked for on every due step.
        missed: why these were not looked for; empty if nothing was in the way.
        called: the model itself was, and returned a tensor.
    """

    def __init__(self, modules: Modules, nodes: Nodes, caller: Caller | None = None) -> None:
        self._modules, self._nodes = modules, nodes
        self._caller = caller or Caller()
        self._look: Look | None = None
        self._handles: list[RemovableHandle] = []
        self._stack: list[Place] = []
        self._mode: Functions | None = None
        self._wanted = False
        self._reads: dict[int, _Read] = {}
        self.functional = False
        self.missed = ""
        self.called = False

    def arm(self, look: Look) -> None:
        """Listen, until `disarm`."""
        self._look = look
        self._wanted = self.functional or look.closely is not None
        if look.closely is not None:
            self.functional = False
        before = self._wanted or self._modules.inplace
        self._handles = [register_module_forward_hook(self._after, always_call=before)]
        if before:
            self._handles.append(register_module_forward_pre_hook(self._before))

    def disarm(self) -> None:
        """Listen no more."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._leave()
        self._reads.clear()
        if self._look is not None:
            self._look.release()
        self._look = None

    def _before(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        """A module is about to be called."""
        place = None if self._caller.is_foreign() else self._modules.places.get(id(module))
        look = self._look
        if place is None or look is None:
            return
        if not self._stack:
            self._enter()
        self._stack.append(place)
        if place.inplace and args and isinstance(args[0], Tensor) and torch.is_grad_enabled():
            with torch._C.DisableTorchFunction():
                self._overwrites(look, place, args[0])

    def _overwrites(self, look: Look, place: Place, x: Tensor) -> None:
        """A module is about to write over what it reads."""
        if not place.acts:
            _saved(look, x, acts=False)
            return
        read = self._read(look, partial(self._nodes.module, place), x, place)
        self._reads[id(place)] = read._replace(x=_saved(look, x, acts=True))

    def _after(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """A module has returned, or failed: then there is no output."""
        place = None if self._caller.is_foreign() else self._modules.places.get(id(module))
        look = self._look
        if place is None or look is None:
            return
        if self._stack:
            self._stack.pop()
            if not self._stack:
                self._leave()
        above, busy, place.busy = place.parent, place.busy, False
        while above is not None:
            above.busy, above = True, above.parent
        if output is not None and not busy and not torch.is_grad_enabled():
            look.passed(place)
        if output is None or not torch.is_grad_enabled():
            return
        with torch._C.DisableTorchFunction():  # what is done here is nobody's forward
            if not busy:
                self._returned(look, place, args, output)
            if place.parent is None:
                self._ended(look, output)

    def _returned(self, look: Look, place: Place, args: tuple[Any, ...], output: Any) -> None:
        """Note the outputs of a module that called no other one."""
        x = args[0] if args and isinstance(args[0], Tensor) else None
        read = self._reads.pop(id(place), None)
        if place.acts and read is None and x is not None:
            read = self._read(look, partial(self._nodes.module, place), x, place)
        for y in tensors(output):
            if read is not None:
                call = _note(look, read, y, place.module, place)
            else:
                source = look.of(x) if x is not None else None
                axis = _axis(place.module, y, source)
                call = look.called(self._nodes.module(place, None), y, axis, place)
                call.source = source
            if y is output:
                call.place = place

    def _function(self, kind: str, x: Tensor, inplace: bool, call: Callable[[], Any]) -> Any:
        """Call a function that is an activation, and note what it returns."""
        look, place = self._look, self._stack[-1] if self._stack else None
        if look is None or place is None or place.acts or not torch.is_grad_enabled():
            return call()
        if place.bare:  # a module of somebody's own that is an activation
            place.acts = True
            return call()
        if kind == "sigmoid" and ((source := look.of(x)) is None or source.node.acts):
            return call()  # of a sum, or beside an activation: a gate, and no hidden layer
        self.functional = True
        read = self._read(look, partial(self._nodes.function, place.name, kind), x, place)
        if inplace:
            read = read._replace(x=_saved(look, x, acts=True))
        y = call()
        if isinstance(y, Tensor) and is_plain(y):
            _note(look, read, y, None, place)
        return y

    def _read(
        self, look: Look, node_of: Callable[[Node | None], Node], x: Tensor, place: Place
    ) -> _Read:
        """What an activation reads. If that is no node's output, it becomes one of its own."""
        source = look.of(x)
        node = node_of(None if source is None else source.node)
        if source is None and x.requires_grad and is_plain(x):
            axis = kinds.features(None, x, None)
            source = look.called(self._nodes.read_by(node), x, axis, place)
        if source is not None:
            source.read = True
        return _Read(node, source, x)

    def _ended(self, look: Look, output: Any) -> None:
        """The network's own output is no hidden layer, even if a sigmoid has made it."""
        self.called = type(output) is Tensor
        for y in tensors(output):
            call = look.of(y)
            if call is not None and call.node.gate is not None:
                call.node.acts, call.node.gate = False, None

    def _enter(self) -> None:
        if not self._wanted or not torch.is_grad_enabled():
            return
        if self._modules.has_fast_path():
            self.missed = "an attention layer is frozen in evaluation mode: its fast path must stay"
            return
        self._mode = Functions(self._function, self._caller)
        self._mode.__enter__()

    def _leave(self) -> None:
        self._stack.clear()
        if self._mode is not None:
            self._mode.__exit__(None, None, None)
            self._mode = None


def _note(look: Look, read: _Read, y: Tensor, module: nn.Module | None, place: Place) -> Call:
    """An activation has returned: a module, or a function inside one."""
    call = look.called(read.node, y, _axis(module, y, read.source), place)
    call.source = read.source
    if look.closely is not None and read.x.is_floating_point():
        look.closely.forward(call, read.x, y)
    return call


def _saved(look: Look, x: Tensor, *, acts: bool) -> Tensor:
    """What is about to be overwritten: a copy, if anybody will ask for it."""
    source = look.of(x)
    waits = source is not None and isinstance(source.value, Tensor)
    if not (waits or (acts and look.closely is not None)):
        return x
    copy = x.detach().clone()
    if source is not None:
        source.overwritten(copy)
    return copy


def _axis(module: nn.Module | None, y: Tensor, source: Call | None) -> int:
    """Of the features of an output, from the end."""
    same = (
        source is not None
        and len(source.shape) == y.dim()
        and source.shape[source.axis] == y.shape[source.axis]
    )
    return kinds.features(module, y, source.axis if source is not None and same else None)
