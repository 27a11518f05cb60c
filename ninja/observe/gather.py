"""All that is measured of a look, in the order of `ninja.probes.columns.Columns`."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from ninja.observe.calls import Call, Look
from ninja.observe.modules import Modules
from ninja.observe.nodes import Node, Nodes
from ninja.observe.sums import Sums, joined, sums
from ninja.observe.updates import Group
from ninja.probes.columns import Subjects
from ninja.rules import Rule

Part = list[Tensor] | Sums
"""A tensor in pieces that lie one after the other, or what is left of it."""


@dataclass(frozen=True)
class Entry:
    """One node of a look.

    Attributes:
        name: of the node.
        delta: of its outputs; none where the loss was not reached.
        value: the outputs; none where they are gone.
        gate: the activation that saturates, if it is one.
        source: of an activation: the entry whose delta tells which of its units are dead.
        width: features of that.
    """

    name: str
    delta: Part | None
    value: Part | None
    gate: Rule | None = None
    source: str = ""
    width: int = 0

    @property
    def key(self) -> Hashable:
        """What must be the same for two looks to be measured by one plan."""
        sizes = (size(self.delta), size(self.value))
        return (self.name, *sizes, self.gate is not None, self.source, self.width)


class Gathered:
    """The parameters, gradients, deltas, outputs and updates of a look; the alike side by side."""

    def __init__(self, modules: Modules, nodes: Nodes, look: Look, groups: Sequence[Group]) -> None:
        self.groups = groups
        self.params = sorted(
            (one for one in modules.owned if one.is_real()), key=lambda one: one.tensor.numel()
        )
        self.moved = [moved for group in groups for moved in group.moved()]
        self.calls = reached(look)
        self.entries = list(_entries(nodes, self.calls))
        nodes.seen([entry.name for entry in self.entries])
        read = {entry.source for entry in self.entries if entry.width}
        self.deltas = sorted(
            (entry for entry in self.entries if entry.delta is not None),
            key=lambda of: (of.name in read, size(of.delta)),
        )
        self.values = sorted(
            (entry for entry in self.entries if entry.value is not None),
            key=lambda of: (of.gate is not None, size(of.value)),
        )

    def key(self) -> Hashable:
        """What is the same in two looks of which one plan says where the numbers belong."""
        return (
            tuple((*one.name, one.tensor.shape) for one in self.params),
            tuple(one.name for group in self.groups for one in group.graded),
            tuple(one.name for one, _ in self.moved),
            tuple(entry.key for entry in self.entries),
        )

    def subjects(self) -> Subjects:
        """What there is to measure."""
        values = {entry.name for entry in self.values}
        return Subjects(
            graded=[one.name for group in self.groups for one in group.graded],
            params=[one.name for one in self.params],
            moved=[one.name for one, _ in self.moved],
            outputs=[entry.name for entry in self.deltas],
            units=[entry.name for entry in self.values],
            gates={of.name: of.gate for of in self.entries if of.gate and of.name in values},
            reached={of.name: (of.source, of.width) for of in self.entries if of.width},
        )

    def parts(self) -> list[Part]:
        """All of it, one part a subject."""
        return [
            *(grad for group in self.groups for grad in group.grads),
            *([one.tensor.detach()] for one in self.params),
            *(entry.delta for entry in self.deltas if entry.delta is not None),
            *(entry.value for entry in self.values if entry.value is not None),
            *([one.tensor.detach() - before] for one, before in self.moved),
        ]


def reached(look: Look) -> dict[Node, list[Call]]:
    """The calls of every node, first called first: those that the loss reached, if it did any."""
    calls: dict[Node, list[Call]] = {}
    for call in sorted(look.calls, key=lambda call: call.at):
        calls.setdefault(call.node, []).append(call)
    return {
        node: [call for call in of if call.delta is not None] or of for node, of in calls.items()
    }


def _entries(nodes: Nodes, calls: dict[Node, list[Call]]) -> Iterator[Entry]:
    """In the order of the forward, each activation just behind what it reads."""
    before: Node | None = None
    for node, of in calls.items():
        read = [call.source for call in of if call.source is not None] if node.acts else []
        source = before
        if read and {call.node for call in read} != {before}:
            source = nodes.read_by(node)
            yield Entry(source.name, _delta(read), _value(read, None))
        elif read and before is not None:
            read = calls[before]
        width = _width(read) if read and source is not None else 0
        gate = node.gate if node.acts else None
        name = source.name if source is not None and width else ""
        yield Entry(node.name, _delta(of), _value(of, gate), gate, name, width)
        before = node


def _width(read: Sequence[Call]) -> int:
    """Features of what an activation reads, if it has a delta that tells them apart."""
    widths = {call.shape[call.axis] for call in read}
    told = [call.delta for call in read if call.delta is not None]
    if len(widths) > 1 or not told:
        return 0
    if any(isinstance(delta, Sums) and delta.living is None for delta in told):
        return 0
    return widths.pop()


def _delta(calls: Sequence[Call]) -> Part | None:
    found = [call.laid(call.delta) if call.read else call.delta for call in calls]
    there = [delta for delta in found if delta is not None]
    width = calls[0].shape[calls[0].axis] if calls[0].read else 0
    return _together(there, None, width)


def _value(calls: Sequence[Call], gate: Rule | None) -> Part | None:
    found = [call.output() if call.wanted else None for call in calls]
    there = [value for value in found if value is not None]
    return _together(there, gate, 0) if len(there) == len(found) else None


def _together(found: Sequence[Tensor | Sums], gate: Rule | None, width: int) -> Part | None:
    """In pieces as long as all are small, and reduced as soon as one is."""
    if not found:
        return None
    pieces = [part for part in found if isinstance(part, Tensor)]
    if len(pieces) == len(found):
        return pieces
    return joined([of if isinstance(of, Sums) else sums(of, gate, width) for of in found])


def size(part: Part | None) -> int:
    """Elements of a part; −1 of none."""
    if part is None:
        return -1
    return part.size if isinstance(part, Sums) else sum(piece.numel() for piece in part)
