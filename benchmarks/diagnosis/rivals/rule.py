"""A rule set: named rules, each of which looks at a whole record."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.diagnosis.cache import Record
from benchmarks.diagnosis.cases import Run
from benchmarks.diagnosis.detectors import Alarm
from benchmarks.diagnosis.rivals.look import Seen

Found = tuple[int, str, tuple[str, ...]]
"""Step, layer and what it can mean, the likeliest first."""


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: as its source has it.
        check: every time that it holds, in any order.
    """

    name: str
    check: Callable[[Seen], Iterable[Found]]


@dataclass(frozen=True)
class Rival:
    """A rule set.

    Attributes:
        name: of the tool.
        covers: the classes that its rules speak of; the others it cannot name.
        rules: in the order in which its source asks them.
    """

    name: str
    covers: tuple[str, ...]
    rules: tuple[Rule, ...]

    def alarms(self, record: Record, run: Run) -> dict[str, Alarm]:
        """The first alarm of every rule that holds at all."""
        return self.alarms_of(Seen.of(record, run))

    def alarms_of(self, seen: Seen) -> dict[str, Alarm]:
        """The same, of what a rule sees of a record."""
        found: dict[str, Alarm] = {}
        for rule in self.rules:
            first = min(rule.check(seen), key=lambda one: one[0], default=None)
            if first is not None:
                step, layer, kinds = first
                found[rule.name] = Alarm(rule.name, kinds, layer, step)
        return found

    def as_documented(self, alarms: dict[str, Alarm]) -> list[Alarm]:
        """The earliest first; of one step, in the order of the source."""
        return sorted(alarms.values(), key=lambda one: one.step or 0)

    def in_order(self, alarms: dict[str, Alarm], order: Sequence[str]) -> list[Alarm]:
        """Of some rules only, in an order of their own."""
        return [alarms[name] for name in order if name in alarms]


def at_looks(
    check: Callable[[Seen, int], Iterator[Found]],
) -> Callable[[Seen], Iterator[Found]]:
    """A check of one look, by its place among them, asked of every look until it holds."""

    def of(seen: Seen) -> Iterator[Found]:
        for place in range(len(seen.looks)):
            found = next(check(seen, place), None)
            if found is not None:
                yield found
                return

    return of
