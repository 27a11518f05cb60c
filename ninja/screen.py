"""A run as it is seen: a line now and then, and how it ended."""

import signal
import time
from pathlib import Path
from typing import Any

from ninja.config import RunConfig
from ninja.fit import Interrupted, fit
from ninja.result import Result

SECONDS = 2.0  # between two lines


def watch(config: RunConfig, folder: Path) -> int:
    """Train and print; returns the exit code: 0, 1 if it diverged, 128 + the signal if stopped."""
    there = (folder / "result.json").exists()
    lines = _Lines(config.steps)
    ended = fit(config, folder, lines.tell, lambda line: print(f"warning: {line}", flush=True))
    if isinstance(ended, Interrupted):
        name = signal.Signals(ended.signal).name
        print(f"{name}: stopped before step {ended.step:,}; the same command goes on from there")
        return 128 + ended.signal
    if there:
        print("this run is done already; its result:")
    print(summary(ended))
    print(f"record and result: {folder}")
    return 0 if ended.status == "done" else 1


class _Lines:
    """Prints a row when the last one is a while ago."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.printed = float("-inf")

    def tell(self, row: dict[str, Any]) -> None:
        """One line: step, loss, and what else the row has."""
        now = time.monotonic()
        if now - self.printed < SECONDS:
            return
        self.printed = now
        parts = [f"step {row['step']:>7,}/{self.steps:,}", f"loss {row['loss']:.4f}"]
        if "grad_norm" in row:
            parts.append(f"grad {row['grad_norm']:.2e}")
        if "gap" in row:
            parts.append(f"gap {row['gap']:.1e}")
        parts.append(f"{row['train_us']:.0f} µs a step")
        print("  ".join(parts), flush=True)


def summary(result: Result) -> str:
    """How a run ended, in a line or two."""
    if result.diverged is not None:
        where = result.diverged
        return (
            f"diverged at step {where['step']:,}: the first number that is none stands in "
            f"{where['node']}.{where['tensor']}"
        )
    losses = result.losses
    return (
        f"train {losses['train']:.4f}  validation {losses['validation']:.4f}  "
        f"test {losses['test']:.4f}  ({result.steps:,} steps, {result.seconds:.1f} s)\n"
        f"train by the batches' own statistics {losses['by_batch']:.4f}"
    )
