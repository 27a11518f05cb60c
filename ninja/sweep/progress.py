"""How far a sweep is: its runs by what became of them, its rate, and the time that is left."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from ninja.sweep.jobs import Job, Message

WINDOW = 30.0
"""Seconds over which the rate is measured."""


@dataclass
class Progress:
    """Of the runs that are to be trained.

    A model-step is one step of one run. A stack that is started again counts its steps again from
    where it goes on; no run ever counts more than its own.

    Attributes:
        steps: of each run, by the number of its job.
        finished: runs that were done before.
        state: of each run: "waiting", "running" or how it ended.
        made: model-steps of the stacks' runs so far, by stack, since they were held.
    """

    steps: dict[int, int]
    finished: int = 0
    state: dict[int, str] = field(default_factory=dict[int, str])
    _held: dict[int, dict[int, int]] = field(default_factory=dict[int, dict[int, int]])
    _made: Counter[int] = field(default_factory=Counter[int])
    _seen: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])
    _total: int = 0

    @classmethod
    def of(cls, jobs: Iterable[Job], finished: int) -> "Progress":
        """Before anything is trained.

        Args:
            jobs: that are to be trained.
            finished: how many others were done before.
        """
        steps = {job.number: job.config.steps for job in jobs}
        return cls(steps, finished, dict.fromkeys(steps, "waiting"))

    def hear(self, stack: int, message: Message, now: float) -> None:
        """What a worker says.

        Args:
            stack: which it trains.
            message: what it says.
            now: in seconds, of any clock that does not go back.
        """
        job = message.get("job", -1)
        match message["do"]:
            case "held":
                if self.state[job] != "running":
                    self.state[job] = "running"
                self._held.setdefault(stack, {})[job] = message.get("steps", 0)
            case "made":
                self._total += message.get("steps", 0)
                self._made[stack] += message.get("steps", 0)
                self._seen.append((now, self._total))
                while len(self._seen) > 2 and now - self._seen[0][0] > WINDOW:
                    self._seen.popleft()
            case "ended":
                self.state[job] = message.get("status", "failed")
            case "lost":
                self._lost(stack)
            case "warn":
                pass

    def _lost(self, stack: int) -> None:
        """A stack's worker is gone: its runs wait again."""
        for job in self._held.pop(stack, {}):
            if self.state[job] == "running":
                self.state[job] = "waiting"
        self._made[stack] = 0

    def count(self, state: str) -> int:
        """Runs in this state."""
        return sum(one == state for one in self.state.values())

    @property
    def total(self) -> int:
        """Runs of the sweep that can be trained, those that were done before included."""
        return len(self.steps) + self.finished

    @property
    def model_steps(self) -> int:
        """Made since the sweep was started, those of lost workers included."""
        return self._total

    def rate(self) -> float:
        """Model-steps a second, of late: since the first that were heard of, not since the start.

        What it takes to load and to begin says nothing of the time that is left.
        """
        if len(self._seen) < 2:
            return 0.0
        (began, first), (ended, last) = self._seen[0], self._seen[-1]
        return (last - first) / (ended - began) if ended > began else 0.0

    def left(self) -> int:
        """Model-steps that are still to be made."""
        open_ = {"waiting", "running"}
        todo = sum(self.steps[job] for job, state in self.state.items() if state in open_)
        for stack, held in self._held.items():
            running = [job for job in held if self.state[job] == "running"]
            if running:
                before = sum(held[job] for job in running)
                share = self._made[stack] * len(running) // len(held)
                todo -= min(before + share, sum(self.steps[job] for job in running))
        return todo

    def seconds_left(self) -> float | None:
        """At the rate of late; none before there is one."""
        rate = self.rate()
        return self.left() / rate if rate else None
