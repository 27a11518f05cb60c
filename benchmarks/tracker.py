"""What W&B costs a run: the same training, mirrored or not, in one run of this script.

    python benchmarks/tracker.py [--rounds 7] [--steps 5000] [--json]

The lecture's network at the default cadence of probes, one thread. Contenders: no tracker, offline,
online to a server on the loopback, online to one that accepts and never answers. They take turns,
round after round, each in a process of its own as a command is; a ratio is the median over the
rounds of (contender / no tracker of the same round). Two times count: training, from the first step
to the result, and the whole command, which ends when W&B has it all. Training's processor time is
printed too: where it is the same and the time is not, somebody else wanted the cores.
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
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONTENDERS = ("disabled", "offline", "online", "online, silent server")
TIMEOUT = 10.0  # of the silent server: the default
TRAINING, BETWEEN = 1.05, 1.10
"""Limits: what a mirror may add to training, and online to offline."""


def train(tracker: str, steps: int) -> None:
    """Be one contender, and print its times."""
    began = time.perf_counter()
    from ninja import runs
    from ninja.config import ModelConfig, RunConfig, WandbConfig
    from ninja.fit import fit
    from ninja.tracking import Mirror

    with tempfile.TemporaryDirectory() as folder:
        config = RunConfig(output=folder, steps=steps, model=ModelConfig(n_hidden=200))
        config = replace(config, wandb=WandbConfig(timeout=TIMEOUT))
        config = replace(config, tracker=tracker.partition(",")[0])
        place = runs.folder(config)
        with Mirror(lambda _: None) as mirror:
            mirror.follow(config, place)
            start, cpu = time.perf_counter(), time.process_time()
            fit(config, place)
            training, cpu = time.perf_counter() - start, time.process_time() - cpu
            mirror.ended(place)
        command = time.perf_counter() - began
        print(json.dumps({"training": training, "cpu": cpu, "command": command}))


def measure(rounds: int, steps: int) -> dict[str, list[dict[str, float]]]:
    """Seconds of every contender, one pair a round."""
    sys.path.insert(0, str(ROOT))
    from tests.wandb_server import KEY, Faults, WandbServer

    times: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for number in range(rounds):
        order = CONTENDERS[number % 4 :] + CONTENDERS[: number % 4]
        for name in order:
            faults = Faults(hang=name.endswith("silent server"))
            with WandbServer(faults) as server, tempfile.TemporaryDirectory() as home:
                names = ("HOME", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR")
                environment = {
                    key: value for key, value in os.environ.items() if "WANDB" not in key
                }
                environment |= dict.fromkeys(names, home)
                environment |= {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
                command = [sys.executable, __file__, "--one", name, "--steps", str(steps)]
                done = subprocess.run(command, env=environment, check=True, capture_output=True)
                times[name].append(json.loads(done.stdout))
    return times


def summary(times: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Medians, and ratios to the round's run without a tracker."""
    rows: dict[str, dict[str, float]] = {}
    for name, values in times.items():
        rows[name] = {}
        for kind in ("training", "cpu", "command"):
            pairs = zip(values, times["disabled"], strict=True)
            rows[name][kind] = statistics.median(value[kind] for value in values)
            rows[name][f"{kind}_ratio"] = statistics.median(a[kind] / b[kind] for a, b in pairs)
    pairs = zip(times["online"], times["offline"], strict=True)
    between = statistics.median(a["training"] / b["training"] for a, b in pairs)
    rows["online"]["to_offline"] = between
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        train(options.one, options.steps)
        return
    rows = summary(measure(options.rounds, options.steps))
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{options.steps:,} steps of the lecture's network, hidden 200, {options.rounds} rounds")
    print("seconds (median), and their ratio to no tracker (median over rounds)\n")
    for name, row in rows.items():
        print(
            f"  {name:22s} training {row['training']:6.2f} s {row['training_ratio']:6.3f}   "
            f"its processor time {row['cpu']:6.2f} s {row['cpu_ratio']:6.3f}   "
            f"command {row['command']:6.2f} s {row['command_ratio']:6.3f}"
        )
    worst = max(row["training_ratio"] for row in rows.values())
    print(f"\nadded to training, at most: {worst - 1:+.1%} (limit {TRAINING - 1:.0%})")
    between = rows["online"]["to_offline"]
    print(f"online against offline: {between - 1:+.1%} (limit {BETWEEN - 1:.0%})")


if __name__ == "__main__":
    main()
