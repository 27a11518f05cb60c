"""What `compile=true` gains and costs: stacks of three networks, compiled against eager.

    python benchmarks/compiled.py [--rounds 15] [--json]      (or benchmarks/sweep.py --compiled)

One thread. For each network one fresh process compiles into an empty folder (cold start), and a
second one finds the code there (warm start), then times both steps in turns and trains both stacks
for 1,000 steps. A ratio is the median over the rounds. What rounding alone does to the losses is
shown beside: the difference between the engines by hand and autograd, both eager.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from typing import Any

import torch

from ninja import data
from ninja.allocator import keep_freed_memory
from ninja.config import ModelConfig, OptimizerConfig, RunConfig
from ninja.probes import NOTHING
from ninja.train import Training, begin_together, train_step

NETS = {
    "hidden 64": (ModelConfig(n_hidden=64), 24),
    "hidden 200": (ModelConfig(), 24),
    "5 x 100": (ModelConfig(n_hidden=100, n_layers=5), 16),
}
STEPS = 1_000
SECONDS = 0.3  # of one contender in one round


def compiled(rounds: int = 15) -> dict[str, dict[str, float]]:
    """Speed, cold and warm start and difference of the losses, printed."""
    print("compile=true: the stacked step that nobody looks at, against the eager one")
    found: dict[str, dict[str, float]] = {}
    for name, (_, runs) in NETS.items():
        with tempfile.TemporaryDirectory() as folder:
            first = child(name, folder, 0)
            one = child(name, folder, rounds)
        found[name] = one | {"cold": first["start"], "cold cpu": first["start cpu"]}
        eager, fast = one["eager"] * runs / 1e6, one["compiled"] * runs / 1e6
        print(f"{name}, stack of {runs}")
        print(
            f"  a run's step: eager {one['eager']:.0f} µs, compiled {one['compiled']:.0f} µs, "
            f"ratio {one['ratio']:.2f}"
        )
        for what, of in (("cold", first), ("warm", one)):
            pays = f"{of['start'] / (eager - fast):,.0f} steps" if eager > fast else "no steps"
            shown = f"{of['start']:.1f} s, {of['start cpu']:.1f} s of a core"
            print(f"  {what} start {shown}: pays from {pays} of such a stack")
        print(f"  {STEPS:,} steps, difference of a loss, of the mean of the last 100")
        for what, of in (("compiled", ""), ("autograd", " of rounding")):
            shown = f"{one[f'losses{of}']:.1e}, {one[f'ends{of}']:.1e}"
            print(f"    {what} from by hand, eager: {shown}", flush=True)
    return found


def child(name: str, folder: str, rounds: int) -> dict[str, float]:
    """What a fresh process measures whose code is kept in this folder."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", name, "--rounds", str(rounds)],
        stdout=subprocess.PIPE,
        check=True,
        env=os.environ | {"TORCHINDUCTOR_CACHE_DIR": folder},
    )
    return json.loads(done.stdout)


def measured(name: str, rounds: int) -> dict[str, float]:
    """In this process: the start, and if there are rounds the speed and the losses."""
    torch.set_num_threads(1)
    keep_freed_memory()
    dataset = data.load()
    model, runs = NETS[name]

    def begun(**changes: Any) -> Training:
        shape = replace(RunConfig(model=model), **changes)
        rates = [OptimizerConfig(lr=0.1 + seed / 1e3) for seed in range(runs)]
        configs = [replace(shape, seed=seed, optimizer=of) for seed, of in enumerate(rates)]
        return begin_together(configs, dataset)

    eager = begun()
    before, began = sum(os.times()[:4]), time.perf_counter()
    fast = begun(compile=True)
    took = {"start": time.perf_counter() - began, "start cpu": sum(os.times()[:4]) - before}
    if not rounds:
        return took
    times = turns({"eager": eager, "compiled": fast}, rounds)
    ratio = statistics.median(b / a for a, b in zip(times["eager"], times["compiled"], strict=True))
    each = {key: statistics.median(of) / runs * 1e6 for key, of in times.items()}
    by_hand, other, autograd = (
        losses(begun(**of)) for of in ({}, {"compile": True}, {"backward": "autograd"})
    )
    return {
        **took,
        **each,
        "ratio": ratio,
        **apart(by_hand, other, ""),
        **apart(by_hand, autograd, " of rounding"),
    }


def turns(stacks: dict[str, Training], rounds: int) -> dict[str, list[float]]:
    """Seconds of a step of each, one after the other, round after round."""
    times: dict[str, list[float]] = {key: [] for key in stacks}
    counts: dict[str, int] = {}
    for key, stack in stacks.items():
        clock(stack, 20)
        counts[key] = max(1, round(SECONDS / clock(stack, 20)))
    for _ in range(rounds):
        for key, stack in stacks.items():
            times[key].append(clock(stack, counts[key]))
    return times


def clock(stack: Training, count: int) -> float:
    """Seconds of a step."""
    began = time.perf_counter()
    for _ in range(count):
        train_step(stack, NOTHING)
    return (time.perf_counter() - began) / count


def losses(stack: Training) -> torch.Tensor:
    """(steps, R)."""
    return torch.stack([train_step(stack, NOTHING).trace.loss.detach() for _ in range(STEPS)])


def apart(one: torch.Tensor, other: torch.Tensor, what: str) -> dict[str, float]:
    """The largest difference over steps and runs, and over the runs of the mean of the end."""
    ends = [of[-100:].double().mean(0) for of in (one, other)]
    return {
        f"losses{what}": (one - other).abs().max().item(),
        f"ends{what}": (ends[0] - ends[1]).abs().max().item(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=NETS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measured(options.child, options.rounds)))
        return
    found = compiled(options.rounds)
    if options.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
