"""What a whole run costs: `fit` with the default probes against the lecture's loop with no logging.

Part 4's network and its 200,000 steps. Ours trains by hand, looks at the layers, compares with
autograd, writes record and checkpoints, and evaluates on all three splits at the end; the lecture's
loop trains by autograd and does nothing else. Both run in one process and in turns of 100 steps, so
that whatever else the machine does slows both.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from step import lecture_step

from ninja import data
from ninja.allocator import keep_freed_memory
from ninja.config import OptimizerConfig, RunConfig
from ninja.fit import fit
from ninja.result import Result

STEPS, TURN = 200_000, 100
LIMIT = 0.85


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    step = lecture_step(data.load(), 200)
    spent = done = 0

    def lecture(steps: int) -> None:
        nonlocal spent, done
        start = time.perf_counter()
        for _ in range(steps):
            step()
        spent += time.perf_counter() - start
        done += steps

    def turn(row: dict[str, Any]) -> None:
        """The lecture's loop catches up with ours."""
        lecture(max(0, row["step"] - done))

    config = RunConfig(
        steps=options.steps,
        tracker="disabled",
        optimizer=OptimizerConfig(lr=0.1, lr_schedule=((options.steps // 2, 0.1),)),
    )
    config = replace(config, norm=replace(config.norm, momentum=0.001))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = fit(config, Path(folder), turn)
        whole = time.perf_counter() - start - spent
    lecture(options.steps - done)
    assert isinstance(result, Result)
    found = {
        "steps": options.steps,
        "lecture_s": spent,
        "ours_s": whole,
        "ratio": whole / spent,
        "limit": LIMIT,
        "losses": result.losses,
    }
    if options.json:
        print(json.dumps(found, indent=1))
        return
    print(f"torch {torch.__version__}, one thread, {options.steps:,} steps, in turns of {TURN}")
    print(f"the lecture's loop      {spent:8.1f} s")
    print(f"ours, all of it         {whole:8.1f} s")
    print(f"ratio                   {whole / spent:8.3f}   limit {LIMIT}")
    print(f"train {result.losses['train']:.4f}, validation {result.losses['validation']:.4f}")


if __name__ == "__main__":
    main()
