"""``python -m ninja sample``."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ninja.commands import positive


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("sample", help="print words from a trained run")
    parser.set_defaults(run=run)
    parser.add_argument(
        "folder",
        type=Path,
        metavar="RUN",
        help="a run's folder, outputs/study/run_id, or one that holds a single run",
    )
    parser.add_argument("--words", type=positive, metavar="N", default=20, help="how many (20)")
    parser.add_argument("--seed", type=int, help="the lecture's by default, 2147483647 + 10")
    parser.add_argument("--json", action="store_true", help="print an object; new: not trained on")


def run(options: argparse.Namespace) -> int:
    """One word a line."""
    import torch

    from ninja import sample
    from ninja.schema import check_seed

    torch.set_num_threads(1)  # the same words on every machine
    seed = sample.SEED if options.seed is None else options.seed
    check_seed(seed)
    found = sample.trained(sample.find(options.folder))
    words = sample.sample(found, options.words, torch.Generator().manual_seed(seed))
    step, steps = found.step, found.config.steps
    if options.json:
        told = {"run": str(found.folder), "step": step, "steps": steps, "seed": seed}
        print(json.dumps({**told, "words": [asdict(word) for word in words]}, indent=1))
        return 0
    if step < steps:
        said = f"unfinished: words of step {step:,} of {steps:,}"
        print(f"ninja: {said}", file=sys.stderr, flush=True)
    for word in words:
        print(word.word)
    return 0
