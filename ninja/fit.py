"""A run from its first step, or from where it was stopped, to its result."""

import json
import math
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from ninja import checkpoint, data, evaluate, evidence, records, result, runs
from ninja.agreement import WRONG
from ninja.checks import check_run
from ninja.config import RunConfig
from ninja.errors import RunError
from ninja.lock import Lock
from ninja.probes import Due, due
from ninja.result import Result
from ninja.rows import Sight
from ninja.rules import intermediates
from ninja.train import Step, Training, begin, exact_gap, state_of, train_step

Tell = Callable[[dict[str, Any]], None]
"""Is told every row as it is recorded."""


PATIENCE = 0.25
"""Seconds until what was seen is written, if there are few looks."""


@dataclass(frozen=True)
class Interrupted:
    """A run that was asked to stop, and did, between two steps.

    Attributes:
        step: the next one.
        signal: that asked.
    """

    step: int
    signal: int


def fit(
    config: RunConfig,
    folder: Path,
    tell: Tell = lambda _: None,
    warn: Callable[[str], None] = print,
    say: Callable[[str], None] = lambda _: None,
    held: Callable[[], None] = lambda: None,
) -> Result | Interrupted:
    """Train, record, evaluate; or read the result of a run that is done.

    Args:
        config: of the run.
        folder: of the run.
        tell: is told every row.
        warn: is told, in a line, of what was mended.
        say: is told, in a line, where it goes on.
        held: is called once no other process can be in this run.

    Raises:
        NinjaError: the configuration, the data or the folder cannot be used, or an engine is wrong
            and ``probe.on_gap=stop``. What was computed is kept.
    """
    check_run(config)
    torch.set_num_threads(config.threads)
    folder.mkdir(parents=True, exist_ok=True)
    run_id = runs.run_id(config)  # once: it reads the whole word list
    with _locked(folder):
        held()
        done = result.read(folder, run_id)
        if done is not None:
            if not records.has_tables(folder):
                records.finish(folder)
                warn(f"{str(folder)!r}: its tables were missing or damaged, and are made anew")
            return done
        words = data.load(config.data.path or data.NAMES, config.data.block_size)
        dataset = words.to(config.device)
        state, damaged = checkpoint.load(folder, run_id)
        for line in damaged:
            warn(f"{line}; going on from {'the one before' if state else 'the start'}")
        run = begin(config, dataset, state)
        with records.Record(folder, state.record if state else 0) as record:
            if state is not None:
                records.check(folder)  # damage is told now, and not when all is trained
                say(f"going on from step {state.step:,}")
            before = state.seconds if state else 0.0
            ended = _Loop(run, run_id, dataset, record, folder, before, tell, warn).go()
        if isinstance(ended, Interrupted):
            return ended
        records.check(folder)
        records.finish(folder)
        found = _result(run, run_id, folder, dataset, ended)
        result.write(folder, found)
        return found


@dataclass(frozen=True)
class _Ended:
    """Where and how training ended: ``diverged`` says where the first number was none."""

    seconds: float
    diverged: dict[str, Any] | None


class _Loop:
    """Steps, rows and checkpoints until the end, a divergence or a signal."""

    def __init__(
        self,
        run: Training,
        run_id: str,
        dataset: data.Dataset,
        record: records.Record,
        folder: Path,
        seconds: float,
        tell: Tell,
        warn: Callable[[str], None],
    ) -> None:
        self.run, self.run_id, self.dataset = run, run_id, dataset
        self.record, self.folder = record, folder
        self.tell, self.warn = tell, warn
        self.sight = Sight(run)
        self.started = time.perf_counter() - seconds
        self.looked = (run.step, time.perf_counter())
        self.about: list[dict[str, float]] = []
        self.patience = 0.0
        self.warned = False

    def go(self) -> "_Ended | Interrupted":
        """Run the loop."""
        config = self.run.config
        with _signals() as caught:
            while self.run.step < config.steps:
                owed = due(config.probe, self.run.step)
                step = train_step(self.run, owed)
                diverged = not math.isfinite(step.trace.loss.item())
                if owed.any or diverged:
                    self._see(step, owed)
                if self.sight.waiting and (self.sight.full or time.perf_counter() > self.patience):
                    self._write()
                if diverged:
                    self._write()
                    return _Ended(self._seconds(), _first_bad(step))
                every = config.checkpoint.every
                if caught or (every and self.run.step % every == 0):
                    self._save()
                if caught:
                    return Interrupted(self.run.step, caught[0])
                del step  # its memory is the next one's
        self._save()
        return _Ended(self._seconds(), _bad_parameter(self.run))

    def _seconds(self) -> float:
        return time.perf_counter() - self.started

    def _save(self) -> None:
        self._write()
        state = state_of(self.run, self.record.synchronise(), self._seconds())
        checkpoint.save(self.folder, self.run_id, state)

    def _see(self, step: Step, owed: Due) -> None:
        """Take what is due of a step. It is written with the next ones, or soon."""
        since, at = self.looked
        now = time.perf_counter()
        if not self.sight.waiting:
            self.patience = now + PATIENCE
        gap = self.sight.see(step, owed).scalars.get("gap")
        about = {"train_us": (now - at) / (self.run.step - since) * 1e6}
        if owed.validate:
            about["val_loss"] = self._validation()
        self.looked = (self.run.step, time.perf_counter())
        about["probe_us"] = (self.looked[1] - now) * 1e6
        self.about.append(about)
        if gap is None or not math.isfinite(step.trace.loss.item()):
            return
        if not gap.item() <= WRONG:  # not a number is wrong, too
            about["gap_float64"] = exact_gap(self.run)
            self._judge(step.number, about["gap_float64"])

    def _write(self) -> None:
        """Bring what was seen into the record."""
        start = time.perf_counter()
        rows = [row for (row,) in self.sight.rows()]
        each = (time.perf_counter() - start) / max(len(rows), 1) * 1e6
        for row, about in zip(rows, self.about, strict=True):
            row |= about
            row["probe_us"] += each
        self.about.clear()
        for key in self.sight.cells:
            if key not in self.record.places:
                self.record.place(key, self.sight.places(key))
        self.record.append(*rows)
        for row in rows:
            self.tell({**row, "layers": records.Layers(row, self.record.places)})
        now = time.perf_counter()
        self.looked = (self.looked[0], self.looked[1] + now - start)

    def _validation(self) -> float:
        run, calibrated = self.run, self.run.config.norm.calibrate
        return evaluate.validation(run.net, run.params, run.buffers, self.dataset, calibrated)

    def _judge(self, step: int, gap: float) -> None:
        """Warn once, or stop, when the engine in use is wrong."""
        if gap <= WRONG:
            return
        said = (
            f"step {step}: the gap of {self.run.config.backward} from the other engine is "
            f"{gap:.1e} in float64, above {WRONG:g}: one of the two is wrong"
        )
        if self.run.config.probe.on_gap == "stop":
            self._write()  # but no checkpoint beyond it: the same command stops here again
            raise RunError(f"{said}; stopped, as probe.on_gap=stop asks")
        if not self.warned:
            self.warn(said)
        self.warned = True


def _bad_parameter(run: Training) -> dict[str, Any] | None:
    """The first parameter that the last update spoiled, if it did: no later loss will show it."""
    for node, tensors in run.params.items():
        for name, tensor in tensors.items():
            if not tensor.isfinite().all():
                return {"step": run.step - 1, "node": node, "tensor": name}
    return None


def _first_bad(step: Step) -> dict[str, Any]:
    """The first tensor, in forward order, that holds an infinity or is not a number.

    Not a parameter: the step has updated them since, with what came of that tensor.
    """
    for node, saved in step.trace.saved.items():
        for name, tensor in intermediates(saved):
            if not tensor.isfinite().all():
                return {"step": step.number, "node": node, "tensor": name}
    return {"step": step.number, "node": "loss", "tensor": "y"}


def _result(
    run: Training, run_id: str, folder: Path, dataset: data.Dataset, ended: _Ended
) -> Result:
    config = run.config
    losses: dict[str, float] = {}
    diverged = ended.diverged
    if diverged is None:
        args = (run.net, run.params, run.buffers, dataset, config.batch_size)
        losses = asdict(evaluate.losses(*args, calibrated=config.norm.calibrate))
        if not math.isfinite(losses["train"]):
            losses, diverged = {}, {"step": run.step - 1, "node": "evaluation", "tensor": "loss"}
    items = evidence.gather(records.rows(folder), losses, diverged)
    return Result(
        run_id,
        "done" if diverged is None else "diverged",
        run.step,
        losses,
        diverged,
        dataset.vocabulary.size,
        dataset.sha256,
        json.loads(json.dumps(asdict(config))),  # as it will be read again
        ended.seconds,
        evidence.verdict(items),
        json.loads(json.dumps([asdict(item) for item in items])),
    )


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """One process a run. The lock goes with the process, however that ends.

    Raises:
        RunError: another process is in this run.
    """
    lock = Lock(folder / ".lock")
    if not lock.take():
        raise RunError(f"{str(folder)!r}: another process is training this run")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _signals() -> Generator[list[int]]:
    """Note SIGTERM and SIGINT, for the loop to act on between two steps."""
    caught: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        caught.append(number)

    # one that is ignored from outside, as nohup does, stays so
    both = (signal.SIGTERM, signal.SIGINT)
    numbers = [number for number in both if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
