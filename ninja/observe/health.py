"""`ninja.watch`: looks at anybody's training, and leaves every bit of it as it was."""

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import register_multi_grad_hook
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.hooks import RemovableHandle

from ninja import diagnosis
from ninja.config import ProbeConfig
from ninja.diagnosis import About, Evidence, Finding
from ninja.observe import checks
from ninja.observe.caller import Caller
from ninja.observe.calls import Look
from ninja.observe.classes import classes_of
from ninja.observe.closely import Closely
from ninja.observe.hooks import Hooks
from ninja.observe.lane import Lane
from ninja.observe.measure import Measure
from ninja.observe.modules import Modules, compiled, unwrapped
from ninja.observe.nodes import Nodes
from ninja.observe.record import Story
from ninja.observe.updates import Updates

CLOSE = 1000
"""Steps, about, between two closer looks."""


class Health:
    """A training that is watched while this is entered.

    Attributes:
        model: that is trained.
        every: steps between two looks.
        classes: of its cross-entropy, if they are known.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Any = None,
        *,
        every: int = 10,
        classes: int | None = None,
    ) -> None:
        self.model = checks.model(model)
        optimizers = checks.optimizers(optimizer, model)
        self.every, self.classes = checks.every(every), checks.classes(classes)
        close = self.every * math.ceil(CLOSE / self.every)
        self._cadence = ProbeConfig(every=self.every, close_every=close, gap_every=0, val_every=0)
        self._blind = list(compiled(model))
        self._modules, self._nodes = Modules(unwrapped(model)), Nodes()
        self._caller = Caller()
        self._hooks = Hooks(self._modules, self._nodes, self._caller)
        self._updates = Updates(self._modules, optimizers)
        self._measure = Measure(self._modules, self._nodes, self._caller)
        self._story = Story(self._modules, self._nodes)
        self._lane: Lane | None = None
        self._look: Look | None = None
        self._trigger: RemovableHandle | None = None
        self._due = 0
        self._began = self._ended = 0.0
        self._saved: set[Path] = set()

    def __enter__(self) -> "Health":
        """Begin to look."""
        if self._began:
            raise RuntimeError("watch: it was entered before, make a new one for another training")
        self._began = time.perf_counter()
        self._caller.enter()
        self._updates.start()
        self._arm()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take every hook away. What was seen stays."""
        self._disarm()
        self._updates.stop()
        self._ended = self._ended or time.perf_counter()

    def step(self, loss: Tensor | float) -> None:
        """A training step was made: call it after ``optimizer.step()``.

        Args:
            loss: of the step, a single number, not scaled.

        Raises:
            TypeError, ValueError: the loss is no single number, or no gradient was ever computed.
            RuntimeError: the watch is over, or has not begun.
        """
        self._check()
        if torch.is_inference_mode_enabled():  # what is made here outlives it
            with torch.inference_mode(mode=False):
                self.step(loss)
            return
        story = self._story
        if story.steps == self._due:
            value = checks.loss(loss)
            taken = self._take(loss)
            story.step(value)
            self._due = following(self._cadence, self._due) if taken else story.steps
            if story.steps != self._due:
                self._disarm()
        else:
            story.steps += 1
        if story.steps == self._due:
            self._arm()

    def skip(self) -> None:
        """A training step was made of which no loss is known: the next is looked at in its place.

        Raises:
            RuntimeError: the watch is over, or has not begun.
        """
        self._check()
        if self._story.steps == self._due:
            self._due += 1
        self._story.steps += 1
        if self._story.steps == self._due:
            self._arm()

    def findings(self) -> list[Finding]:
        """What is wrong, causes first; nothing of a training that is healthy so far."""
        return diagnosis.diagnose(self.rows(), About(classes=self.classes))

    def verdict(self) -> str:
        """In words: "healthy", or what is not, or what could not be told."""
        return diagnosis.verdict(self.findings(), self._unknown())

    def rows(self) -> list[dict[str, Any]]:
        """What was seen, in the form of `ninja.records.rows`."""
        self._flush()
        return list(self._story.rows())

    def unseen(self) -> list[str]:
        """What could not be seen, and why, in words."""
        found: list[str] = []
        if not self._story.looked:
            found.append("all steps: health.step(loss) was never called")
        if self._blind:
            found.append(f"module outputs: {some(self._blind)} is compiled; parameters are seen")
        elif self._caller.compiled:
            found.append("module outputs: compiled code calls modules; parameters are seen")
        elif self._story.looked and not self._nodes.order:
            found.append("module outputs: no module was called as such; parameters are seen")
        elif through := self._modules.through_time():
            found.append(f"inside {some(through)}: what happens through time")
        if odd := self._modules.odd():
            found.append(f"{some(odd)}: no dense real numbers")
        if self._hooks.missed:
            found.append(f"activations that are functions: {self._hooks.missed}")
        if self._updates.graded:
            found += self._untrained()
        return found

    def _untrained(self) -> Iterator[str]:
        """What was meant to train, and did not in any look."""
        if bare := self._updates.bare():
            yield f"{some(bare)}: no gradient came"
        if self._updates.is_early():
            yield (
                "updates: no optimizer.step() came between loss.backward() and health.step(loss), "
                "call health.step after it"
            )

    def report(self) -> None:
        """Print the layers at the last look, the verdict and the findings."""
        from ninja import streams

        with streams.console() as console:
            from ninja.observe.report import report

            report(console, self.rows(), self.verdict(), self.findings(), self.unseen())

    def save(self, folder: str | Path) -> Path:
        """Write the record as that of one of our runs; ``python -m ninja diagnose`` reads it.

        Args:
            folder: is made, if it is not there.

        Returns:
            The folder.

        Raises:
            TypeError, ValueError: it is no folder, or holds a run of `run.py`. The record of
                another watched training is written over.
            OSError: it cannot be written.
        """
        from ninja.observe.save import free, save

        place = checks.folder(folder)
        self._flush()
        about = {
            "steps": self._story.steps,
            "classes": self.classes or 0,
            "seconds": self._seconds(),
        }
        free(place, own=place.resolve() in self._saved)
        self._saved.add(place.resolve())
        save(place, self._story.lines(), about, self.findings(), self._evidence())
        return place

    def _check(self) -> None:
        if not self._updates.listening:
            raise RuntimeError("health.step: call it inside `with ninja.watch(...) as health:`")

    def _evidence(self) -> list[Evidence]:
        return diagnosis.gather(diagnosis.read(self.rows()))

    def _unknown(self) -> list[str]:
        """What a verdict must leave open; no gap, and no mismatch without norms."""
        modules = self._modules.model.modules()
        averages = any(isinstance(one, _NormBase) and one.track_running_stats for one in modules)
        known = {"gap"} if averages else {"gap", "mismatch"}
        return [name for name in diagnosis.unknown(self._evidence()) if name not in known]

    def _seconds(self) -> float:
        ended = time.perf_counter() if self._updates.listening else self._ended
        return ended - self._began

    def _arm(self) -> None:
        """The next step is due."""
        cadence = self._cadence
        close = self._due in cadence.early or self._due % cadence.close_every == 0
        if self._caller.compiled:
            self._leave_lane()
        if self._lane is not None and not close:
            self._updates.arm(self._lane.rooms)
            self._lane.arm()
            return
        self._disarm()
        self._modules.read()  # it may have been changed
        self._updates.read()
        self._look = Look(Closely() if close else None, self._note)
        self._updates.arm(close=close)
        if not self._blind and not self._caller.compiled:
            self._hooks.arm(self._look)
            return
        trained = [p for p in self._modules.model.parameters() if p.requires_grad]
        if trained:  # no output will tell that a backward pass has begun
            came = self._look.came
            self._trigger = register_multi_grad_hook(trained, lambda _: came(), mode="any")

    def _note(self) -> None:
        """A backward pass has ended."""
        if self._modules.lazy:  # the forward has made the parameters
            self._modules.read()
            self._updates.read()
            self._updates.arm(close=True)
        self._updates.note()

    def _disarm(self) -> None:
        """A due step is over."""
        self._hooks.disarm()
        self._updates.disarm()
        if self._lane is not None:
            self._lane.disarm()
        if self._trigger is not None:
            self._trigger.remove()
        self._look = self._trigger = None

    def _take(self, loss: Tensor | float) -> bool:
        """Measure the step that was due; whether it could be."""
        updates = self._updates
        seen = updates.seen(self._due)
        if self._look is None:
            assert self._lane is not None
            if not self._lane.finish(seen):
                self._leave_lane()
                return False
        else:
            self._first(self._look, loss)
            lane = self._measure.take(self._look, updates.groups, seen)
            self._disarm()
            self._flush()
            plain = self._hooks.called and not self._hooks.functional
            self._lane = lane if plain and not self._modules.inplace else None
        self._story.see(seen)
        return True

    def _first(self, look: Look, loss: Tensor | float) -> None:
        """What is asked of the first look alone."""
        if self._story.looked:
            return
        groups = self._updates.groups
        if groups and not any(group.noted for group in groups) and not look.backwards:
            raise ValueError(
                "loss: no gradient of this model was computed yet, call loss.backward() "
                "before health.step(loss)"
            )
        if self.classes is None and isinstance(loss, Tensor):
            self.classes = classes_of(loss)

    def _leave_lane(self) -> None:
        self._flush()
        self._disarm()
        self._lane = None

    def _flush(self) -> None:
        if self._lane is not None:
            self._lane.flush()


def some(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def following(cadence: ProbeConfig, step: int) -> int:
    """The first step after this one that is looked at."""
    every = (step // cadence.every + 1) * cadence.every
    if step >= cadence.early[-1]:
        return every
    return min(every, next(early for early in cadence.early if early > step))
