"""The training loop of a run, or of a stack of runs: steps, rows and checkpoints."""

import math
import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from ninja import checkpoint, evaluate, records
from ninja.agreement import WRONG
from ninja.config import RunConfig
from ninja.data import Dataset
from ninja.errors import RunError
from ninja.evaluate import Splits
from ninja.probes import Due, due
from ninja.rows import Sight
from ninja.rules import intermediates
from ninja.train import (
    Step,
    Training,
    buffers_of,
    exact_gap,
    params_of,
    state_of,
    train_step,
    without,
)

Tell = Callable[[dict[str, Any]], None]
"""Is told every row as it is recorded."""

Say = Callable[[str], None]
"""Is told a line."""

PATIENCE = 0.25
"""Seconds until what was seen is written, if there are few looks."""


@dataclass
class Member:
    """One of the runs that are trained together: where its rows and checkpoints go.

    Attributes:
        config: of the run.
        run_id: of the run.
        folder: of the run.
        record: open.
        seconds: spent on it so far, over all starts; its share of those of a stack.
        tell: is told its rows.
        warn: is told, in a line, of a wrong gradient.
        warned: that was told.
    """

    config: RunConfig
    run_id: str
    folder: Path
    record: records.Record
    seconds: float
    tell: Tell
    warn: Say
    warned: bool = False


@dataclass(frozen=True)
class Interrupted:
    """A run that was asked to stop, and did, between two steps.

    Attributes:
        step: the next one.
        signal: that asked.
    """

    step: int
    signal: int


@dataclass(frozen=True)
class Trained:
    """Where training ended; ``diverged`` says where the first number was none, if one was."""

    diverged: dict[str, Any] | None


Outcome = Trained | Interrupted | RunError | OSError
"""How a run left the loop."""

Leave = Callable[[Member, Training, int, Outcome], None]
"""Is told of each run that leaves the loop, with its place in the stack."""


class Loop:
    """Steps, rows and checkpoints, until every run has ended or a signal asks to stop.

    A run that diverges, or whose engine is wrong under ``probe.on_gap=stop``, or whose files cannot
    be written, leaves the stack; the others go on as if it had never been there.
    """

    def __init__(
        self,
        run: Training,
        members: list[Member],
        dataset: Dataset,
        splits: Splits,
        leave: Leave,
        made: Callable[[int], None],
    ) -> None:
        """Args: ``made`` is told now and then how many steps were made, summed over the runs.

        It may raise KeyboardInterrupt, which asks to stop as a signal does.
        """
        self.run, self.members = run, members
        self.dataset, self.splits = dataset, splits
        self.leave, self.made = leave, made
        self.sight = Sight(run)
        self.since = time.perf_counter()
        self.looked = (run.step, self.since)
        self.about: list[list[dict[str, float]]] = []
        self.told = run.step
        self.patience = 0.0
        self.saved = -1
        self.caught: list[int] = []

    def go(self) -> int | None:
        """Run the loop; returns the signal that ended it."""
        config, caught = self.run.config, self.caught
        with _signals(caught):
            while self.members and self.run.step < config.steps:
                owed = due(config.probe, self.run.step)
                step = train_step(self.run, owed)
                bad = _not_finite(step)
                leaving: dict[int, Outcome] = {}
                if bad and not owed.any:
                    leaving |= self._write()  # the row to come is theirs alone
                if owed.any or bad:
                    leaving |= self._see(step, owed)
                if leaving or bad:
                    leaving |= self._write(None if owed.any else bad)
                    leaving = {r: Trained(_first_bad(step, r)) for r in bad} | leaving
                elif self.sight.waiting and self._is_due():
                    leaving |= self._write()
                self._part(leaving)
                every = config.checkpoint.every
                if caught or (every and self.run.step % every == 0):
                    self._part(self._save())
                if caught:
                    stopped = Interrupted(self.run.step, caught[0])
                    self._part(dict.fromkeys(range(len(self.members)), stopped))
                    return caught[0]
                del step  # its memory is the next one's
            if self.members and self.saved != self.run.step:
                self._part(self._save())
        ended = {r: Trained(_bad_parameter(self.run, r)) for r in range(len(self.members))}
        self._part(ended)
        return None

    def _part(self, outcomes: Mapping[int, Outcome]) -> None:
        """Let these runs go. The others' next step does not know that they were there."""
        if not outcomes:
            return
        self._share()
        run, members = self.run, self.members
        self.members = [member for r, member in enumerate(members) if r not in outcomes]
        if self.members:
            self.run = without(run, outcomes, self.dataset)
            self.sight = Sight(self.run)
        for r in sorted(outcomes):
            self.leave(members[r], run, r, outcomes[r])
        self.since = time.perf_counter()  # what leaving took is nobody's training
        self.looked = (run.step, self.since)

    def _share(self) -> None:
        """Each run's part of the time since the last call."""
        now = time.perf_counter()
        for member in self.members:
            member.seconds += (now - self.since) / len(self.members)
        self.since = now

    def _is_due(self) -> bool:
        """Whether what was seen must not wait any longer."""
        return self.sight.full or time.perf_counter() > self.patience

    def _save(self) -> dict[int, Outcome]:
        """Checkpoints; returns the runs whose files cannot be written."""
        failed = self._write()
        self._share()
        for r, member in enumerate(self.members):
            if r in failed:
                continue
            try:
                state = state_of(self.run, r, member.record.synchronise(), member.seconds)
                checkpoint.save(member.folder, member.run_id, state)
            except OSError as error:
                failed[r] = error
        self.saved = self.run.step
        return failed

    def _see(self, step: Step, owed: Due) -> dict[int, Outcome]:
        """Take what is due of a step. It is written with the next ones, or soon.

        Returns:
            The runs whose engine is wrong, and which are to stop for it.
        """
        since, at = self.looked
        now = time.perf_counter()
        if not self.sight.waiting:
            self.patience = now + PATIENCE
        gaps = self.sight.see(step, owed).scalars.get("gap")
        runs = range(len(self.members))
        steps = (self.run.step - since) * len(runs)
        about = [{"train_us": (now - at) / steps * 1e6} for _ in runs]
        if owed.validate:
            for r in runs:
                about[r]["val_loss"] = self._validation(r)
        self.looked = (self.run.step, time.perf_counter())
        for own in about:
            own["probe_us"] = (self.looked[1] - now) / len(runs) * 1e6
        self.about.append(about)
        leaving: dict[int, Outcome] = {}
        if gaps is None:
            return leaving
        losses = step.trace.loss.reshape(-1).tolist()
        for r, gap in enumerate(gaps.reshape(-1).tolist()):
            if math.isfinite(losses[r]) and not gap <= WRONG:  # not a number is wrong, too
                about[r]["gap_float64"] = exact = exact_gap(self.run, r)
                if fault := self._judge(self.members[r], step.number, exact):
                    leaving[r] = fault
        return leaving

    def _write(self, only: list[int] | None = None) -> dict[int, Outcome]:
        """Bring what was seen into the records: of all runs, or of these only.

        Returns:
            The runs whose records cannot be written.
        """
        if self.run.step > self.told:
            made = (self.run.step - self.told) * len(self.members)
            self.told = self.run.step
            try:
                self.made(made)
            except KeyboardInterrupt:
                self.caught.append(signal.SIGINT)
        start = time.perf_counter()
        steps = self.sight.rows()
        each = (time.perf_counter() - start) / max(len(steps) * len(self.members), 1) * 1e6
        for rows, about in zip(steps, self.about, strict=True):
            for row, own in zip(rows, about, strict=True):
                row |= own
                row["probe_us"] += each
        self.about.clear()
        failed: dict[int, Outcome] = {}
        if steps:
            places = {key: self.sight.places(key) for key in self.sight.cells}
            for r in range(len(self.members)) if only is None else only:
                try:
                    self._append(self.members[r], [rows[r] for rows in steps], places)
                except OSError as error:
                    failed[r] = error
        now = time.perf_counter()
        self.looked = (self.looked[0], self.looked[1] + now - start)
        return failed

    def _append(
        self,
        member: Member,
        rows: list[dict[str, Any]],
        places: Mapping[str, Sequence[records.Place]],
    ) -> None:
        for key, of in places.items():
            if key not in member.record.places:
                member.record.place(key, of)
        member.record.append(*rows)
        for row in rows:
            member.tell({**row, "layers": records.Layers(row, member.record.places)})

    def _validation(self, replica: int) -> float:
        run, calibrated = self.run, self.run.config.norm.calibrate
        params, buffers = params_of(run, replica), buffers_of(run, replica)
        return evaluate.validation(run.net, params, buffers, self.splits, calibrated)

    def _judge(self, member: Member, step: int, gap: float) -> RunError | None:
        """Warn once of a wrong engine, or say that the run must stop."""
        if gap <= WRONG:
            return None
        said = (
            f"step {step}: the gap of {member.config.backward} from the other engine is "
            f"{gap:.1e} in float64, above {WRONG:g}: one of the two is wrong"
        )
        if member.config.probe.on_gap == "stop":
            # no checkpoint beyond it: the same command stops here again
            return RunError(f"{said}; stopped, as probe.on_gap=stop asks")
        if not member.warned:
            member.warn(said)
        member.warned = True
        return None


def _not_finite(step: Step) -> list[int]:
    """The runs whose loss is none, by their places."""
    loss = step.trace.loss
    if math.isfinite((loss.sum() if loss.dim() else loss).item()):  # one small operation a step
        return []
    return [r for r, one in enumerate(loss.reshape(-1).tolist()) if not math.isfinite(one)]


def _bad_parameter(run: Training, replica: int) -> dict[str, Any] | None:
    """The first parameter that the last update spoiled, if it did: no later loss will show it."""
    for node, tensors in params_of(run, replica).items():
        for name, tensor in tensors.items():
            if not tensor.isfinite().all():
                return {"step": run.step - 1, "node": node, "tensor": name}
    return None


def _first_bad(step: Step, replica: int) -> dict[str, Any]:
    """The first tensor, in forward order, that holds an infinity or is not a number.

    Not a parameter: the step has updated them since, with what came of that tensor.
    """
    stacked = step.trace.loss.dim() > 0
    for node, saved in step.trace.saved.items():
        for name, tensor in intermediates(saved):
            if not (tensor[replica] if stacked else tensor).isfinite().all():
                return {"step": step.number, "node": node, "tensor": name}
    return {"step": step.number, "node": "loss", "tensor": "y"}


@contextmanager
def _signals(caught: list[int]) -> Generator[None]:
    """Note SIGTERM and SIGINT, for the loop to act on between two steps."""
    if threading.current_thread() is not threading.main_thread():  # which alone hears of signals
        yield
        return

    def note(number: int, _: FrameType | None) -> None:
        caught.append(number)

    # one that is ignored from outside, as nohup does, stays so
    both = (signal.SIGTERM, signal.SIGINT)
    numbers = [number for number in both if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
