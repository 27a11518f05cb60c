"""The training side of the mirror: starts it, tells it of runs, and never waits but at the end."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from ninja.config import RunConfig
from ninja.errors import RecordError
from ninja.result import RESULT
from ninja.tracking import identity

LATER = "the record has it all, and `make sync` sends it later"
MIRROR = "ninja.tracking.mirror"
PATIENCE = 5.0  # seconds beyond the time-out: for what W&B writes locally


class Mirror:
    """W&B's view of the runs of one command.

        with Mirror(warn) as mirror:
            mirror.follow(config, folder)
            ...                            # train
            mirror.ended(folder)

    The process behind it starts with the first run that wants one. ``tracker`` decides, and the
    environment can only hold it back: under ``WANDB_MODE=disabled`` nothing is mirrored, under
    ``WANDB_MODE=offline`` nothing leaves the machine, and ``WANDB_MODE=online`` changes nothing.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        """Args: ``warn`` is told, in a line and from another thread, what W&B did not get."""
        self._warn = warn
        self._process: Process | None = None
        self._seconds = 0.0
        self._warned = False

    def follow(self, config: RunConfig, folder: Path) -> None:
        """Mirror this run from now on, unless W&B has all of it already.

        Never raises: the run is then not mirrored, and ``warn`` says why.
        """
        mode = mode_of(config)
        if mode == "disabled":
            return
        try:
            self._follow(config, folder, mode)
        except RecordError as error:
            self._warn(f"tracker={mode}: {error}")
        except OSError as error:
            where = error.filename or str(folder)
            self._warn(f"tracker={mode}: {where!r}: {error.strerror}: {LATER}")

    def _follow(self, config: RunConfig, folder: Path, mode: str) -> None:
        known = identity.identify(config, folder)
        there = ("complete",) if mode == "online" else ("complete", "offline")
        if known.state in there and (folder / RESULT).exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        identity.write(folder, replace(known, state="open"))
        self._seconds = max(self._seconds, config.wandb.timeout)
        self.prepare(config)
        assert self._process is not None
        self._process.say(do="follow", folder=str(folder.absolute()), mode=mode)

    def prepare(self, config: RunConfig) -> None:
        """Start the process that will follow such runs: it takes a second to load."""
        mode = mode_of(config)
        if mode != "disabled" and self._process is None:
            self._process = Process(lambda answer: self._hear(answer, mode))

    def ended(self, folder: Path) -> None:
        """This run is over: done, diverged, interrupted or broken; its files say which."""
        if self._process is not None:
            self._process.say(do="ended", folder=str(folder.absolute()))

    def close(self) -> None:
        """Wait until all is handed over, for a server no longer than the largest time-out."""
        if self._process is not None:
            self._process.say(do="close", seconds=self._seconds)
            if not self._process.join(self._seconds + PATIENCE):
                self._once("W&B took too long")
        self._process = None

    def __enter__(self) -> "Mirror":
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; after a fault too, so that W&B shows what there is."""
        self.close()

    def _hear(self, answer: dict[str, Any], mode: str) -> None:
        if "failed" in answer:
            self._once(f"tracker={mode}: {answer['failed']}")
        elif "refused" in answer:
            self._warn(f"tracker={mode}: {answer['why']}")
        elif "died" in answer:
            self._once(f"tracker={mode}: the process that feeds W&B ended ({answer['died']})")

    def _once(self, said: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"{said}: {LATER}")


def mode_of(config: RunConfig) -> str:
    """``tracker``, unless ``WANDB_MODE`` asks for less."""
    asked = os.environ.get("WANDB_MODE", "").lower()
    if "disabled" in (asked, config.tracker):
        return "disabled"
    return "offline" if asked in ("offline", "dryrun") else config.tracker


class Process:
    """A process that loads W&B, such as the mirror's, and a thread that hears its answers."""

    def __init__(self, hear: Callable[[dict[str, Any]], None], module: str = MIRROR) -> None:
        """Start it, in a session of its own: a Ctrl-C at the terminal is not meant for it.

        And a session is what can let training go first, and take that back (`priority`).

        Args:
            hear: is told its answers, by another thread.
            module: what it runs: JSON lines come in and go out, "closed" or "died" the last.
        """
        self._hear = hear
        self._heard = time.monotonic()
        self._closed = False
        package = str(Path(__file__).parents[2])
        paths = [package, os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def say(self, **message: Any) -> None:
        """Tell it something; if it is dead, that was told already."""
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):
            stdin.write(json.dumps(message).encode() + b"\n")
            stdin.flush()

    def join(self, silence: float) -> bool:
        """Wait until it is gone; false if it had to be ended after so many seconds of silence."""
        self._heard = time.monotonic()
        in_time = True
        try:
            while self._process.poll() is None and in_time:
                self._thread.join(0.02)
                in_time = time.monotonic() < self._heard + silence
        finally:
            if self._process.poll() is None:
                self._closed = True  # it did not die of itself, which `_listen` would tell
                self._process.kill()
            self._process.wait()
            self._thread.join()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        return in_time

    def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        for line in stdout:
            answer = json.loads(line)
            self._heard = time.monotonic()
            self._closed = self._closed or "closed" in answer or "died" in answer
            self._hear(answer)
        if not self._closed:
            self._hear({"died": "without a word"})
