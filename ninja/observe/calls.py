"""One due step while it lasts: what was called in the forward, and what came back."""

import weakref
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from ninja.observe.closely import Closely, Spread
from ninja.observe.modules import Place
from ninja.observe.nodes import Node
from ninja.observe.outputs import are_many
from ninja.observe.sums import SMALL, Sums, joined, sums


class Call:
    """One output of a node, and its delta. A small tensor is kept; a large one is reduced at once.

    Nothing here keeps a graph alive, nor a large tensor.

    Attributes:
        node: whose output.
        place: the module whose only output it is, if it is one.
        axis: of its features, from the end.
        shape: of the output.
        dtype: of the output.
        device: its kind.
        version: of the output when it was returned.
        leaf: no operation of autograd has made it.
        at: where it lies in the forward; sorts.
        source: the call whose output it read, if that is known.
        value: the output, as it was returned or as it has become; none of a large one that nobody
            will ask for.
        wanted: somebody will: it is an activation's, or a closer look is due.
        delta: ∂loss/∂output, if the loss was reached.
        read: an activation reads it.
        close: what a closer look found, by column.
        spreads: its histograms.
    """

    __slots__ = (
        *("node", "place", "axis", "shape", "dtype", "device", "version", "leaf", "at"),
        *(
            "source",
            "value",
            "wanted",
            "delta",
            "read",
            "close",
            "spreads",
            "_look",
            "_of",
            "_handle",
        ),
    )

    def __init__(self, look: "Look", node: Node, y: Tensor, axis: int) -> None:
        self.node, self.axis, self.shape = node, axis, y.shape
        self.dtype, self.device = y.dtype, y.device.type
        self.version, self.leaf = y._version, y.is_leaf
        self.at: tuple[int, int] = (0, 0)
        self.place: Place | None = None
        self.source: Call | None = None
        self.delta: Tensor | Sums | None = None
        self.read = False
        self.close: dict[str, Tensor] = {}
        self.spreads: list[Spread] = []
        self._look, self._of = look, weakref.ref(y)
        self.wanted = node.acts or look.closely is not None
        self.value: Tensor | Sums | None = None
        if self.wanted or y.numel() <= SMALL:
            self.value = self._kept(y.detach(), node)
        self._handle: RemovableHandle | None = None
        if y.requires_grad:
            self._handle = y.register_hook(self.take)

    def is_of(self, y: Tensor) -> bool:
        """Whether this very tensor is the output."""
        return self._of() is y

    def is_small(self) -> bool:
        """Whether the output and the delta are kept, and nothing has written over the former."""
        return isinstance(self.output(), Tensor) and not isinstance(self.delta, Sums)

    def release(self) -> None:
        """Listen no more: a parameter that a module has returned outlives the step."""
        if self._handle is not None:
            self._handle.remove()

    def take(self, grad: Tensor | None) -> None:
        """A hook: the delta has come. If it comes again, from another loss, they add up.

        It is none for an output that the loss does not use, beside others of one function that
        it does: cuDNN's LSTM returns three. Many at once are those of a Jacobian, and no delta.
        """
        if grad is None or torch.is_grad_enabled():  # a graph of the gradient: a penalty's
            return
        if are_many(grad):
            return
        self._look.came()
        if self.delta is None:
            self.delta = self._kept(grad, None)
        elif isinstance(self.delta, Tensor):
            self.delta = self.delta + grad
        else:  # rows of their own: to add the deltas the first would have had to be kept
            self.delta = joined([self.delta, sums(self._laid(grad), width=self._width())])
        if self._look.closely is not None and self.node.acts:
            self._look.closely.delta(self, grad)

    def overwritten(self, before: Tensor) -> None:
        """Its output is about to be written over, if it was not before; ``before`` is a copy."""
        if isinstance(self.output(), Tensor):
            self.value, self.version = before, before._version

    def output(self) -> Tensor | Sums | None:
        """The output as it was returned; none if that is gone."""
        if isinstance(self.value, Tensor) and self.value._version != self.version:
            return None
        return self.value

    def laid(self, t: Tensor | Sums | None) -> Tensor | Sums | None:
        """With the features last."""
        return self._laid(t) if isinstance(t, Tensor) else t

    def _laid(self, t: Tensor) -> Tensor:
        return t if self.axis == -1 else t.movedim(self.axis, -1)

    def _width(self) -> int:
        return self.shape[self.axis] if self.read else 0

    def _kept(self, t: Tensor, node: Node | None) -> Tensor | Sums:
        if t.numel() <= SMALL:
            return t
        with torch.no_grad():
            if node is not None:
                return sums(t, node.gate)
            return sums(self._laid(t), width=self._width())


class Look:
    """What is seen of one due step, until it is measured.

    Attributes:
        calls: in the order of the forward.
        closely: the closer look, if one is due.
        backwards: passes that have reached an output.
    """

    def __init__(self, closely: Closely | None, ended: Callable[[], None]) -> None:
        """Args: ``ended`` is called at the end of every backward pass that reaches an output."""
        self.calls: list[Call] = []
        self.closely = closely
        self.backwards: set[int] = set()
        self._by_id: dict[int, Call] = {}
        self._ended = ended
        self._clock = 0
        self._passed: dict[int, int] = {}
        self._redone: tuple[int, Place | None] = (0, None)

    def came(self) -> None:
        """A delta has come: be called when this backward pass has ended."""
        task = torch._C._current_graph_task_id()
        if task in self.backwards or task < 0:
            return
        self.backwards.add(task)
        at_end(self._ended)

    def release(self) -> None:
        """No more deltas are waited for."""
        for call in self.calls:
            call.release()

    def of(self, y: Tensor) -> Call | None:
        """The call whose output this is, if one is known."""
        call = self._by_id.get(id(y))
        return call if call is not None and call.is_of(y) else None

    def passed(self, place: Place) -> None:
        """A module was called without autograd; a checkpoint may call it again in the backward."""
        self._clock += 1
        self._passed[id(place)] = self._clock

    def called(self, node: Node, y: Tensor, axis: int, inside: Place | None = None) -> Call:
        """Note an output.

        Args:
            node: whose.
            y: the output.
            axis: of its features, from the end.
            inside: the module that has returned it, or in which it was made.
        """
        call = Call(self, node, y, axis)
        call.at = self._at(inside)
        self.calls.append(call)
        self._by_id[id(y)] = call
        return call

    def _at(self, inside: Place | None) -> tuple[int, int]:
        """Now; or where it was passed, of what is called again in a backward."""
        self._clock += 1
        at = self._passed.get(id(inside))
        if at is None or torch._C._current_graph_task_id() < 0:
            return self._clock, 0
        before, beside = self._redone
        if beside is not None and inside in (beside, beside.parent):  # behind what it reads
            at = before
        self._redone = at, inside
        return at, self._clock


def at_end(call: Callable[[], None]) -> None:
    """Have something called when the backward pass that is under way has ended."""
    engine = torch.autograd.Variable._execution_engine
    # by way of a second one: those of others, such as all-reduces, come first
    engine.queue_callback(lambda: engine.queue_callback(call))
