"""What a sweep costs: whole commands beside each other, and where the time of a run goes.

The grid is the preset ``speed``: 96 runs of the lecture's network, hidden 200, default probes, W&B
offline. Each contender is typed as a user types it, into a folder of its own, and the ratios are of
commands that ran in this one call. Training by Hydra's own launchers takes minutes; with
``--share n`` they are given the first n of the 96 runs and twice as many, and the time of all 96 is
the straight line through both.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from compiled import compiled
from step import gemm_step

from ninja import data, diagnosis, evaluate, fit, loop, result, rows
from ninja.allocator import keep_freed_memory
from ninja.config import ModelConfig, OptimizerConfig, RunConfig
from ninja.probes import NOTHING
from ninja.train import begin_together, train_step

RUN = Path(__file__).parents[1] / "run.py"
JOBS = 96
GRID = [
    f"init.gain={gain} optimizer.lr={lr} seed={seed}".split()
    for gain in ("0.5", "1", "5/3", "3")
    for lr in ("0.03", "0.1", "0.3", "1")
    for seed in range(1, 7)
]
CONTENDERS = {
    "packed, by hand": ("hydra/launcher=packed", "backward=manual_fused"),
    "packed, autograd": ("hydra/launcher=packed", "backward=autograd"),
    "joblib, autograd": (
        *("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
        "backward=autograd",
    ),
    "basic, autograd": ("hydra/launcher=basic", "backward=autograd"),
}
LIMITS = {
    (1_000, "packed, by hand", "basic, autograd"): 7.0,
    (1_000, "packed, by hand", "joblib, autograd"): 4.0,
    (1_000, "packed, autograd", "basic, autograd"): 4.0,
    (10_000, "packed, by hand", "basic, autograd"): 8.0,
}
JOB, JOB_WANDB, GROWTH, MEMORY, GEMM, TWO = 30.0, 50.0, 1.1, 2 << 30, 0.25, 0.9
ROUNDS = 6
STACK = 16
"""Runs of a stack, where two workers are timed against one."""


def main() -> None:
    """Print all that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, nargs="*", default=[1_000], help="of each run")
    parser.add_argument("--share", type=int, help="runs that other launchers are given")
    parser.add_argument("--parts", action="store_true", help="only where a run's time goes")
    parser.add_argument("--growth", action="store_true", help="only 100 runs against 2,000")
    parser.add_argument("--sizes", action="store_true", help="only the step against the stack")
    parser.add_argument("--compiled", action="store_true", help="only compile=true against eager")
    parser.add_argument("--workers", action="store_true", help="only two workers against one")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a stack, for --workers")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    named = ("parts", "growth", "sizes", "compiled", "workers")
    only = any(getattr(options, name) for name in named)
    found: dict[str, Any] = {}
    if not only:
        found["commands"] = [commands(steps, options.share) for steps in options.steps]
    if options.parts or not only:
        found["parts"] = parts()
    if options.growth or not only:
        found["growth"] = growth()
    if options.sizes or not only:
        found["sizes"] = sizes()
    if options.compiled or not only:
        found["compiled"] = compiled()
    if options.workers or not only:
        found["workers"] = workers(options.seconds)
    if options.json:
        print(json.dumps(found, indent=1))


# --- whole commands -------------------------------------------------------------------------------


def commands(steps: int, share: int | None) -> dict[str, float]:
    """Seconds of every contender for the 96 runs."""
    print(f"{JOBS} runs of {steps:,} steps")
    seconds: dict[str, float] = {}
    for name, overrides in CONTENDERS.items():
        typed = [*overrides, f"steps={steps}"]
        if share is None or name.startswith("packed"):
            seconds[name], note = command(typed, JOBS), ""
        else:
            few, more = (command(typed, count) for count in (share, 2 * share))
            seconds[name] = few + (more - few) / share * (JOBS - share)
            note = f"  (from {share} runs {few:.1f} s, {2 * share} runs {more:.1f} s)"
        print(f"  {name:<18}{seconds[name]:8.1f} s{note}", flush=True)
    for (of, fast, slow), limit in LIMITS.items():
        if of == steps:
            ratio = seconds[slow] / seconds[fast]
            print(f"  {fast} against {slow}: {ratio:.2f} times as fast (limit {limit:g})")
    return seconds


def command(overrides: Sequence[str], jobs: int) -> float:
    """Seconds of the sweep's first runs, in a fresh folder, its exit included."""
    whole = jobs == JOBS
    axes = [] if whole else first(jobs)
    with tempfile.TemporaryDirectory() as folder:
        typed = ["experiment=speed", f"output={folder}", *axes, *overrides]
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, str(RUN), "-m", *typed],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"WANDB_MODE": "offline"},
        )
        seconds = time.perf_counter() - began
        made = len(list(Path(folder, "speed").glob("*/result.json")))
        if made != jobs:
            raise SystemExit(f"{made} runs were trained, and not {jobs}")
    return seconds


def first(jobs: int) -> list[str]:
    """The grid's first runs, as axes that vary together."""
    columns = zip(*GRID[:jobs], strict=True)
    axes: list[str] = []
    for column in columns:
        key = column[0].partition("=")[0]
        axes.append(f"{key}={','.join(one.partition('=')[2] for one in column)}")
    return [*axes, "hydra.sweeper.zip=[[init.gain,optimizer.lr,seed]]"]


# --- where the time goes --------------------------------------------------------------------------


def parts(count: int = 24, steps: int = 1_000) -> dict[str, float]:
    """Milliseconds a run, of what its worker does one after another, and of what overlaps."""
    torch.set_num_threads(1)
    keep_freed_memory()
    spent: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        composing, jobs = composed(count, Path(folder))
        entries = [fit.Entry(job.config, job.folder) for job in jobs]
        fit.fit_together(entries[:1], _ignore)  # what is loaded once is nobody's
        began = time.perf_counter()
        with timed(
            spent,
            ("steps", loop, "train_step"),
            ("probes: looks", rows.Sight, "see"),
            ("probes: numbers", rows.Sight, "rows"),
            ("records: rows", loop.Loop, "_append"),
            ("records: checkpoints", loop.checkpoint, "save"),
            ("records: result", result, "write"),
            ("records: begin", fit, "_begin"),
            ("evaluation", evaluate, "losses"),
            ("diagnosis: history", diagnosis, "read"),
            ("diagnosis: numbers", diagnosis, "gather"),
            ("diagnosis: findings", diagnosis, "diagnose"),
        ):
            fit.fit_together(entries[1:], _ignore)
        whole = (time.perf_counter() - began) / (count - 1) * 1e3
        from ninja.sweep import hydra_files

        began = time.perf_counter()
        for job in jobs:
            hydra_files.write(job.files)
        spent[".hydra"] = time.perf_counter() - began
        mirror = mirrored([job.folder for job in jobs], [job.config for job in jobs])
    each = {name: seconds / (count - 1) * 1e3 for name, seconds in spent.items()}
    training = each.pop("steps")
    print(f"a run of {steps:,} steps in a stack of {count - 1}, ms in its worker")
    each["records: .hydra"] = each.pop(".hydra") * (count - 1) / count
    print(f"  {'training':<22}{training:8.2f}")
    for name, value in sorted(each.items()):
        print(f"  {name:<22}{value:8.2f}")
    beyond = sum(each.values())
    print(f"  {'beyond training':<22}{beyond:8.2f}  (limit {JOB:g}); in all {whole:.2f}")
    print("in other processes: before a worker has loaded torch, and while others train")
    print(f"  {'composition':<22}{composing:8.2f}")
    print(f"  {'W&B offline':<22}{mirror:8.2f}")
    total = beyond + composing + mirror
    print(f"  {'job, W&B included':<22}{total:8.2f}  (limit {JOB_WANDB:g})")
    return {**each, "training": training, "composing": composing, "W&B": mirror}


def _ignore(_: int, __: Any) -> None:
    """Nobody is told."""


def composed(count: int, folder: Path) -> tuple[float, list[Any]]:
    """Milliseconds to compose a job, and the jobs."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    from ninja import faults, task
    from ninja.sweep.compose import Composer

    task.register()
    with initialize_config_dir(str(faults.CONF), version_base="1.3", job_name="app"):
        loader = GlobalHydra.instance().config_loader()
        composer = Composer(loader, loader.load_configuration("config", [], RunMode.MULTIRUN))
        own = [["experiment=speed", f"output={folder}", *one] for one in GRID]
        began = time.perf_counter()
        jobs = composer.jobs(own)
        return (time.perf_counter() - began) / len(own) * 1e3, jobs[:count]


def mirrored(folders: Sequence[Path], configs: Sequence[RunConfig]) -> float:
    """Milliseconds to tell W&B, offline, of a run that is done; what is paid once is taken off."""
    from ninja.tracking import Mirror

    def told(count: int) -> float:
        began = time.perf_counter()
        with Mirror(print) as mirror:
            for folder, config in zip(folders[:count], configs[:count], strict=True):
                (folder / "wandb.json").unlink(missing_ok=True)
                mirror.follow(config, folder)
                mirror.ended(folder)
        return time.perf_counter() - began

    few = len(folders) // 6
    return (told(len(folders)) - told(few)) / (len(folders) - few) * 1e3


class timed:  # noqa: N801
    """Adds up the seconds that functions take, while it lasts."""

    def __init__(self, spent: Counter[str], *functions: tuple[str, Any, str]) -> None:
        self.spent, self.functions = spent, functions
        self.before = [getattr(owner, name) for _, owner, name in functions]

    def __enter__(self) -> None:
        """Put a clock around each."""
        for (label, owner, name), function in zip(self.functions, self.before, strict=True):
            setattr(owner, name, self._clocked(label, function))

    def __exit__(self, *_: object) -> None:
        """Take them off."""
        for (_, owner, name), function in zip(self.functions, self.before, strict=True):
            setattr(owner, name, function)

    def _clocked(self, label: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def clocked(*args: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **named)
            finally:
                self.spent[label] += time.perf_counter() - began

        return clocked


# --- many runs ------------------------------------------------------------------------------------


def growth() -> dict[str, float]:
    """Seconds and memory of 100 and of 2,000 short runs, beyond those of two.

    Of the short sweeps, whose difference is no more than a few seconds, several rounds are made,
    half of them before the long one and half after it.
    """
    print(f"short runs (20 steps, hidden 8), W&B off; medians of {ROUNDS} rounds, 2,000 runs once")
    found: dict[str, float] = {}
    half = [(2, 100)] * (ROUNDS // 2)
    rounds = [*half, (2_000,), *half]
    made = [(count, *short(count)) for counts in rounds for count in counts]
    for count in (2, 100, 2_000):
        seconds = statistics.median(took for runs, took, _ in made if runs == count)
        most = max(size for runs, _, size in made if runs == count)
        found[f"seconds {count}"], found[f"bytes {count}"] = seconds, most
        print(f"  {count:>5} runs{seconds:8.1f} s  {seconds / count * 1e3:7.1f} ms a run", end="")
        print(f"  {most / 2**20:,.0f} MiB")
    beyond = [
        (found[f"seconds {count}"] - found["seconds 2"]) / (count - 2) for count in (100, 2_000)
    ]
    print(
        f"  a run beyond the first two: {beyond[0] * 1e3:.1f} and {beyond[1] * 1e3:.1f} ms: ",
        end="",
    )
    print(f"{beyond[1] / beyond[0]:.3f} (limit {GROWTH:g}); memory limit {MEMORY / 2**30:g} GiB")
    return found | {"growth": beyond[1] / beyond[0]}


def short(count: int) -> tuple[float, int]:
    """Seconds of a sweep of so many runs, and the most bytes it had.

    They are looked at once a second, as a look takes up to 60 ms of a core itself.
    """
    with tempfile.TemporaryDirectory() as folder:
        typed = [f"seed=range({count})", "steps=20", "model.n_hidden=8", "tracker=disabled"]
        began = time.perf_counter()
        sweep = subprocess.Popen(
            [sys.executable, str(RUN), "-m", f"output={folder}", *typed],
            stdout=subprocess.DEVNULL,
        )
        most, code = 0, None
        while code is None:
            most = max(most, memory(sweep.pid))
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = sweep.wait(timeout=1)
        seconds = time.perf_counter() - began
        made = len(list(Path(folder, "default").glob("*/result.json")))
        if code or made != count:
            raise SystemExit(f"{made} of {count} runs, exit code {code}")
    return seconds, most


def memory(pid: int) -> int:
    """Bytes of this process and of all below it, what they share counted once (PSS)."""
    below: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        below.setdefault(parent, []).append(int(path.parent.name))
    todo, total = [pid], 0
    while todo:
        one = todo.pop()
        todo += below.get(one, [])
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) << 10
    return total


# --- workers --------------------------------------------------------------------------------------


def workers(seconds: float, stacks: int = 4) -> dict[str, float]:
    """How much of twice the speed two workers have, with stacks that take so many seconds each.

    Each kind of workers trains the same stacks with one, two, two and one of them, so that a
    machine that gets slower meanwhile is nobody's. What a sweep takes to start is told apart.
    """
    torch.set_num_threads(1)
    keep_freed_memory()
    configs = [replace(RunConfig(), seed=seed) for seed in range(STACK)]
    stack = begin_together(configs, data.load().to("cpu"))
    clock(lambda: train_step(stack, NOTHING), 20)
    steps = max(1, int(seconds / clock(lambda: train_step(stack, NOTHING), 200)))
    print(f"{stacks} stacks of {STACK} runs of {steps:,} steps, hidden 200, W&B off")
    found: dict[str, float] = {}
    for name in ("local", "dask"):
        spent: dict[int, list[float]] = {1: [], 2: []}
        for count in (1, 2, 2, 1):
            spent[count].append(several(name, count, stacks, steps))
        one, two = (statistics.mean(spent[count]) for count in (1, 2))
        start = several(name, 2, 2, 1)  # of short ones: what every sweep pays
        found[f"{name} command"] = one / two / 2
        found[name] = (one - start) / (two - start) / 2
        print(f"  {name:<6}1 worker {one:7.1f} s  2 workers {two:7.1f} s  to start {start:5.1f} s")
        print(
            f"        efficiency {found[name]:.2f}, with the start {found[f'{name} command']:.2f} "
            f"(limit {TWO:g} for stacks of 20 s or more; here {one / stacks:.1f} s)",
            flush=True,
        )
    return found


def several(launcher: str, count: int, stacks: int, steps: int) -> float:
    """Seconds of a sweep by so many workers."""
    with tempfile.TemporaryDirectory() as folder:
        typed = [
            *(f"hydra/launcher=packed_{launcher}", f"hydra.launcher.workers={count}"),
            *(f"hydra.launcher.stack={STACK}", f"seed=range({stacks * STACK})", f"steps={steps}"),
            *("tracker=disabled", f"output={folder}"),
        ]
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, str(RUN), "-m", *typed], check=True, stdout=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - began
        made = len(list(Path(folder, "default").glob("*/result.json")))
        if made != stacks * STACK:
            raise SystemExit(f"{made} runs were trained, and not {stacks * STACK}")
    return seconds


# --- the step -------------------------------------------------------------------------------------


def sizes(rounds: int = 6) -> dict[str, dict[int, float]]:
    """Microseconds of a run's step against the runs of the stack, and the share of the GEMMs."""
    torch.set_num_threads(1)
    keep_freed_memory()
    dataset = data.load().to("cpu")
    nets = {
        "hidden 64": ModelConfig(n_hidden=64),
        "hidden 200": ModelConfig(),
        "5 x 100": ModelConfig(n_hidden=100, n_layers=5),
    }
    counts = (1, 2, 4, 8, 16, 24, 32, 48)
    found: dict[str, dict[int, float]] = {}
    for backward in ("manual_fused", "autograd"):
        for name, model in nets.items():
            stacks = {
                count: begin_together(
                    [
                        replace(
                            RunConfig(model=model, backward=backward),
                            seed=seed,
                            optimizer=OptimizerConfig(lr=0.1 + seed / 1e3),
                        )
                        for seed in range(count)
                    ],
                    dataset,
                )
                for count in counts
            }
            times: dict[int, list[float]] = {count: [] for count in counts}
            shares: list[float] = []
            gemm = gemm_step(200, 24) if name == "hidden 200" else None
            for _ in range(rounds):
                for count, stack in stacks.items():
                    steps = max(4, 160 // count)
                    seconds = clock(lambda stack=stack: train_step(stack, NOTHING), steps)
                    times[count].append(seconds / count * 1e6)
                    if gemm is not None and count == 24:
                        shares.append(clock(gemm, steps) / seconds)
            found[f"{backward} {name}"] = {n: statistics.median(of) for n, of in times.items()}
            shown = "  ".join(f"{n}: {us:.0f}" for n, us in found[f"{backward} {name}"].items())
            print(f"{backward:<13}{name:<11} µs a run's step by runs in the stack  {shown}")
            if shares:
                share = statistics.median(shares)
                print(f"  stack of 24: {share:.0%} of the GEMM-only limit (limit {GEMM:.0%})")
    return found


def clock(step: Callable[[], object], count: int) -> float:
    """Seconds of one."""
    began = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - began) / count


if __name__ == "__main__":
    main()
