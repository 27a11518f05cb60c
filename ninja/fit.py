"""Runs from their first step, or from where they were stopped, to their results."""

import json
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ninja import checkpoint, compiler, data, diagnosis, evaluate, records, result, runs
from ninja.checkpoint import TrainState
from ninja.checks import check_run
from ninja.config import RunConfig
from ninja.diagnosis import About
from ninja.errors import NinjaError, RunError
from ninja.evaluate import Splits
from ninja.lock import Lock
from ninja.loop import Interrupted, Loop, Member, Outcome, Say, Tell
from ninja.reproducible import reproducible
from ninja.result import Result
from ninja.train import Training, begin_together, buffers_of, params_of


def _silent(_: Any) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Entry:
    """A run that is to be trained, and who is told of it.

    Attributes:
        config: of the run.
        folder: of the run.
        tell: is told every row.
        warn: is told, in a line, of what was mended.
        say: is told, in a line, where it goes on.
        held: is called with the steps that were made before, once no other process can be in this
            run.
    """

    config: RunConfig
    folder: Path
    tell: Tell = _silent
    warn: Say = print
    say: Say = _silent
    held: Callable[[int], None] = _silent


Ending = Result | Interrupted | NinjaError | OSError
"""How it went: an error is the run's own, and was told to nobody yet."""


def fit(
    config: RunConfig,
    folder: Path,
    tell: Tell = _silent,
    warn: Say = print,
    say: Say = _silent,
    held: Callable[[int], None] = _silent,
) -> Result | Interrupted:
    """Train, record, evaluate; or read the result of a run that is done.

    See `Entry` for the arguments.

    Raises:
        NinjaError: the configuration, the data or the folder cannot be used, or an engine is wrong
            and ``probe.on_gap=stop``. What was computed is kept.
        OSError: a file of the run cannot be written.
    """
    endings: list[Ending] = []
    entry = Entry(config, folder, tell, warn, say, held)
    fit_together([entry], lambda _, ending: endings.append(ending))
    (ending,) = endings
    if isinstance(ending, Exception):
        raise ending
    return ending


def fit_together(
    entries: Sequence[Entry],
    ended: Callable[[int, Ending], None],
    made: Callable[[int], None] = _silent,
    patience: float = 0.0,
) -> None:
    """The same for several runs of one shape (`ninja.sweep.plan`), trained as a stack.

    Each ends as it would alone, to the last bit, and none is stopped by another's fault. Those that
    were interrupted at different steps go on in a stack for each step.

    Args:
        entries: of the runs.
        ended: is told of each run's end, by its place in the entries.
        made: is told now and then how many steps were made, summed over the runs. It may raise
            KeyboardInterrupt, which asks to stop as a signal does, also where none is heard: in
            another thread than the main one.
        patience: seconds to wait, in all, for other processes to leave the runs' folders: those of
            a sweep that was killed, or of a worker that was given up, may not know it yet.
    """
    until = time.monotonic() + patience
    with ExitStack() as held:
        begun: dict[int, list[tuple[int, _Begun]]] = {}
        for number, entry in enumerate(entries):
            try:
                there = _begin(entry, held, until)
            except (NinjaError, OSError) as error:
                ended(number, error)
                continue
            if isinstance(there, Result):
                ended(number, there)
            else:
                begun.setdefault(there.step, []).append((number, there))
        stopped = None
        for step, group in sorted(begun.items()):
            if stopped is not None:
                for number, _ in group:
                    ended(number, Interrupted(step, stopped))
                continue
            stopped = _train(group, ended, made)


@dataclass(frozen=True)
class _Begun:
    """A run whose lock is held and whose record is open."""

    entry: Entry
    member: Member
    state: TrainState | None

    @property
    def step(self) -> int:
        return 0 if self.state is None else self.state.step


def _begin(entry: Entry, stack: ExitStack, until: float) -> "_Begun | Result":
    """Lock the run, and find out how far it is; its result if it is done."""
    config, folder = entry.config, entry.folder
    check_run(config)
    folder.mkdir(parents=True, exist_ok=True)
    run_id = runs.run_id(config)
    stack.enter_context(_locked(folder, until))
    done = result.read(folder, run_id)
    if done is not None:
        entry.held(config.steps)
        if not records.has_tables(folder):
            deque(records.finish(folder), maxlen=0)
            entry.warn(f"{str(folder)!r}: its tables were missing or damaged, and are made anew")
        return done
    state, damaged = checkpoint.load(folder, run_id)
    entry.held(0 if state is None else state.step)
    for line in damaged:
        entry.warn(f"{line}; going on from {'the one before' if state else 'the start'}")
    record = stack.enter_context(records.Record(folder, state.record if state else 0))
    if state is not None:
        records.check(folder)  # damage is told now, and not when all is trained
        entry.say(f"going on from step {state.step:,}")
    seconds = state.seconds if state else 0.0
    return _Begun(
        entry,
        Member(config, run_id, folder, record, seconds, entry.tell, entry.warn),
        state,
    )


def _train(
    group: Sequence[tuple[int, _Begun]],
    ended: Callable[[int, Ending], None],
    made: Callable[[int], None],
) -> int | None:
    """Train runs that are at the same step; returns the signal that stopped them."""
    numbers = {begun.member.run_id: number for number, begun in group}
    config = group[0][1].entry.config
    torch.set_num_threads(config.threads)
    try:
        words = data.load(config.data.path or data.NAMES, config.data.block_size)
        dataset = words.to(config.device)
        states = [begun.state for _, begun in group if begun.state is not None]
        configs = [begun.entry.config for _, begun in group]
        if config.compile:
            for _, begun in group:
                begun.entry.say("compiling the step: a few seconds, or a minute for a new shape")
        run = begin_together(configs, dataset, states or None)
        splits = Splits.of(dataset, config.batch_size)
    except (NinjaError, OSError) as error:  # of what they have in common
        for number, _ in group:
            ended(number, error)
        return None

    def leave(member: Member, run: Training, replica: int, outcome: Outcome) -> None:
        number = numbers[member.run_id]
        if isinstance(outcome, (Interrupted, Exception)):
            ended(number, outcome)
            return
        try:
            found = _result(member, run, replica, dataset, splits, outcome.diverged)
        except (NinjaError, OSError) as error:
            ended(number, error)
        else:
            ended(number, found)

    members = [begun.member for _, begun in group]
    with reproducible(config.device):
        return Loop(run, members, dataset, splits, leave, made).go()


def _result(
    member: Member,
    run: Training,
    replica: int,
    dataset: data.Dataset,
    splits: Splits,
    diverged: dict[str, Any] | None,
) -> Result:
    """Evaluate, and write the tables and the result."""
    config, folder = member.config, member.folder
    losses: dict[str, float] = {}
    if diverged is None:
        params, buffers = params_of(run, replica), buffers_of(run, replica)
        evaluated = evaluate.losses(run.net, params, buffers, splits, config.norm.calibrate)
        losses = asdict(evaluated)
        if not math.isfinite(losses["train"]):
            losses, diverged = {}, {"step": run.step - 1, "node": "evaluation", "tensor": "loss"}
    plain = json.loads(json.dumps(asdict(config)))  # as it will be read again
    history = diagnosis.read(records.finish(folder))
    items = diagnosis.gather(history, losses, diverged)
    about = About(dataset.vocabulary.size, losses, diverged, plain)
    findings = diagnosis.diagnose(history, about)
    found = Result(
        member.run_id,
        "done" if diverged is None else "diverged",
        run.step,
        losses,
        diverged,
        dataset.vocabulary.size,
        dataset.sha256,
        plain,
        member.seconds,
        "compiled" if config.compile else "eager",
        diagnosis.verdict(findings, diagnosis.unknown(items)),
        *(json.loads(json.dumps([asdict(one) for one in of])) for of in (findings, items)),
        versions={**result.versions(), **({"c++": compiler.version()} if config.compile else {})},
    )
    result.write(folder, found)
    return found


@contextmanager
def _locked(folder: Path, until: float) -> Generator[None]:
    """One process a run. The lock goes with the process, however that ends.

    Raises:
        RunError: another process is in this run, and stays.
    """
    lock = Lock(folder / ".lock")
    while not lock.take():
        if time.monotonic() >= until:
            raise RunError(f"{str(folder)!r}: another process is training this run")
        time.sleep(0.05)
    try:
        yield
    finally:
        lock.release()
