"""The nodes of a record: modules, and activations in their places; in the order of depth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ninja.observe import kinds
from ninja.observe.modules import ROOT, Place
from ninja.rules import Rule


@dataclass(eq=False, slots=True)
class Node:
    """What the record has a name for.

    Attributes:
        name: a module's qualified name; where it is an activation that is used in several places,
            what it reads follows in brackets, and so it does of a function: "relu(fc1)".
        kind: in the record, its rule.
        acts: it is an activation.
        gate: the rule of one that saturates, and is not the network's own output.
    """

    name: str
    kind: str
    acts: bool = False
    gate: Rule | None = None


@dataclass
class Nodes:
    """All nodes that were ever seen.

    Attributes:
        order: their names in depth.
    """

    order: list[str] = field(default_factory=list)
    _known: dict[tuple[str, str], Node] = field(default_factory=dict)
    _kinds: dict[str, str] = field(default_factory=dict)

    def module(self, place: Place, source: Node | None) -> Node:
        """Of a module that was called; an activation reads the output of another one, if known."""
        read = source.name if source is not None and place.acts else ""
        found = self._known.get((place.name, read))
        if found is not None and found.kind == place.kind:
            return found
        name = place.name if found is None else found.name
        if found is None and name in self._kinds:
            name = f"{name}({read or 'input'})"
        return self._new((place.name, read), name, place.kind, acts=place.acts)

    def function(self, owner: str, kind: str, source: Node | None) -> Node:
        """Of an activation that is called as a function inside a module."""
        inside = "" if owner == ROOT else f"{owner}."
        read = source.name.removeprefix(inside) if source is not None else ""
        name = f"{inside}{kind}({read})"
        return self._known.get((name, "")) or self._new((name, ""), name, kind, acts=True)

    def read_by(self, node: Node) -> Node:
        """What an activation reads, where that is no node's output, or not the node's before it."""
        name = f"{node.name}.input"
        return self._known.get((name, "")) or self._new((name, ""), name, "input", acts=False)

    def _new(self, key: tuple[str, str], name: str, kind: str, *, acts: bool) -> Node:
        gate = kinds.GATES.get(kind) if acts else None
        self._known[key] = made = Node(name, kind, acts, gate)
        self._kinds[name] = kind
        return made

    def seen(self, names: Sequence[str]) -> None:
        """Take note of the order in which nodes were called."""
        known, before = {name: at for at, name in enumerate(self.order)}, -1
        for name in names:
            if name in known:
                before = self.order.index(name)
            else:
                before += 1
                self.order.insert(before, name)

    def depths(self, owners: Mapping[str, str]) -> dict[str, tuple[int, str]]:
        """Depth and kind of every node, and of every module that has parameters.

        One that was never called lies after what holds it, if that was called; or before what it
        holds; else last.

        Args:
            owners: the kinds of the modules that have parameters, in the order of definition.
        """
        order = list(self.order)
        for name in owners:
            if name not in order:
                order.insert(_slot(name, order), name)
        both = {**owners, **self._kinds}
        return {name: (depth, both[name]) for depth, name in enumerate(order)}


def _slot(module: str, order: Sequence[str]) -> int:
    holder = module
    inside = [at for at, name in enumerate(order) if _is_inside(name, module)]
    if inside:
        return inside[0]
    while "." in holder:
        holder = holder.rpartition(".")[0]
        inside = [at for at, name in enumerate(order) if _is_inside(name, holder)]
        if inside:
            return inside[-1] + 1
    return len(order)


def _is_inside(name: str, module: str) -> bool:
    return module in (ROOT, name) or name.startswith(f"{module}.")
