"""What looking costs: probes at two cadences against none, in one run, on one thread.

Three trainings, each as `python run.py` steps it, with the record written to disk and no tracker:
the lecture's network alone, a stack of 16 of them, and an MLP of 20 layers of 256 at batch 128.
Beside them, the same networks in torch.nn, trained by autograd, and looked at as people do:
`wandb.watch`, and hooks that call `.item()`. Each is a ratio to its own training with nothing on.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import wandb
from torch import Tensor, nn

from ninja.allocator import keep_freed_memory
from ninja.batches import Batches
from ninja.config import (
    InitConfig,
    ModelConfig,
    NormConfig,
    OptimizerConfig,
    ProbeConfig,
    RunConfig,
)
from ninja.data import Dataset, load
from ninja.probes import due
from ninja.records import Record
from ninja.rows import Sight
from ninja.train import Training, begin, begin_together, train_step

CADENCES = {
    "off": ProbeConfig(early=(), every=0, close_every=0, gap_every=0, val_every=0),
    "default": ProbeConfig(early=(), val_every=0),
    "every 10, gap every 100": ProbeConfig(early=(), every=10, val_every=0),
    "every step, no gap": ProbeConfig(early=(), every=1, gap_every=0, val_every=0),
}
LIMITS = {
    ("lecture", "every 10, gap every 100"): 1.09,
    ("lecture", "every step, no gap"): 1.75,
    ("stack of 16", "every 10, gap every 100"): 1.05,
    ("stack of 16", "every step, no gap"): 1.3,
    ("20 x 256, batch 128", "every 10, gap every 100"): 1.05,
    ("20 x 256, batch 128", "every step, no gap"): 1.3,
}
LECTURE = RunConfig(optimizer=OptimizerConfig(lr=0.01))
DEEP = replace(
    LECTURE,
    batch_size=128,
    model=ModelConfig(n_hidden=256, n_layers=20),
    init=InitConfig(output_scale=0.1),
    norm=NormConfig(name="none"),
)


@dataclass(frozen=True)
class Contender:
    """One way to train and to look.

    Attributes:
        network: which.
        name: how it is looked at.
        steps: trains so many.
    """

    network: str
    name: str
    steps: Callable[[int], None]


def ours(
    config: RunConfig, dataset: Dataset, cadence: ProbeConfig, replicas: int, folder: Path
) -> Callable[[int], None]:
    """Steps as `ninja.fit` makes them, of a single run (replicas 0) or of a stack."""
    config = replace(config, probe=cadence)
    run = stacked(config, dataset, replicas) if replicas else begin(config, dataset)
    folders = [folder / str(replica) for replica in range(max(replicas, 1))]
    for one in folders:
        one.mkdir(parents=True)
    records = [Record(one) for one in folders]
    sight = Sight(run)

    def steps(n: int) -> None:
        for _ in range(n):
            owed = due(cadence, run.step)
            step = train_step(run, owed)
            if not step.trace.loss.isfinite().all():
                raise SystemExit("the benchmark's own training diverged")
            if owed.any:
                sight.see(step, owed)
            if sight.waiting and sight.full:
                rows = sight.rows()
                for replica, record in enumerate(records):
                    for key in sight.cells:
                        if key not in record.places:
                            record.place(key, sight.places(key))
                    record.append(*(of[replica] for of in rows))
            del step  # its memory is the next one's

    return steps


def stacked(config: RunConfig, dataset: Dataset, replicas: int) -> Training:
    """R runs of different seeds as one."""
    seeds = range(config.seed, config.seed + replicas)
    return begin_together([replace(config, seed=seed) for seed in seeds], dataset)


# --- the same network as people build it, and as they look at it ---------------------------------


def module(config: RunConfig, classes: int) -> nn.Sequential:
    """The network in torch.nn."""
    model = config.model
    layers: list[nn.Module] = [nn.Embedding(classes, model.n_embd), nn.Flatten()]
    width = model.n_embd * config.data.block_size
    for _ in range(model.n_layers):
        layers.append(nn.Linear(width, model.n_hidden))
        if config.norm.name == "batchnorm":
            layers.append(nn.BatchNorm1d(model.n_hidden))
        layers.append(nn.Tanh())
        width = model.n_hidden
    return nn.Sequential(*layers, nn.Linear(width, classes))


def theirs(
    config: RunConfig, dataset: Dataset, after: Callable[[int, Tensor], None], net: nn.Sequential
) -> Callable[[int], None]:
    """A plain loop; ``after`` is called with each step's number and loss."""
    optimizer = torch.optim.SGD(net.parameters(), lr=config.optimizer.lr)
    batches = Batches(dataset.train, config.batch_size, torch.Generator().manual_seed(1))
    at = [0]

    def steps(n: int) -> None:
        for _ in range(n):
            batch = next(batches)
            loss = nn.functional.cross_entropy(net(batch.tokens), batch.targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            after(at[0], loss)
            at[0] += 1

    return steps


def watched(net: nn.Module, every: int, index: int) -> Callable[[int, Tensor], None]:
    """`wandb.watch`, offline: histograms of gradients and parameters, every so many steps."""
    wandb.watch(net, log="all", log_freq=every, idx=index)

    def after(step: int, loss: Tensor) -> None:
        if step % every == 0:
            wandb.log({"loss": loss.item()})

    return after


def hooked(net: nn.Sequential, every: int) -> Callable[[int, Tensor], None]:
    """Hooks that write down mean, deviation, saturated share and gradient norm by ``.item()``."""
    on, rows = [True], list[float]()

    def forward(_: nn.Module, __: Any, y: Tensor) -> None:
        if on[0]:
            rows.extend([y.mean().item(), y.std().item(), (y.abs() > 0.97).float().mean().item()])

    def backward(_: nn.Module, __: Any, dy: tuple[Tensor, ...]) -> None:
        if on[0]:
            rows.append(dy[0].norm().item())

    for layer in net:
        layer.register_forward_hook(forward)
    for layer in net[1:]:  # tokens have no gradient
        layer.register_full_backward_hook(backward)

    def after(step: int, _: Tensor) -> None:
        if on[0]:
            rows.extend(p.grad.norm().item() for p in net.parameters() if p.grad is not None)
        rows.clear()
        on[0] = (step + 1) % every == 0

    return after


def contenders(dataset: Dataset, folder: Path) -> list[Contender]:
    """All that are compared."""
    found: list[Contender] = []
    networks = {
        "lecture": (LECTURE, 0),
        "stack of 16": (LECTURE, 16),
        "20 x 256, batch 128": (DEEP, 0),
    }
    for network, (config, replicas) in networks.items():
        for name, cadence in CADENCES.items():
            place = folder / network / name
            found.append(Contender(network, name, ours(config, dataset, cadence, replicas, place)))
    for network, config in (("lecture", LECTURE), ("20 x 256, batch 128", DEEP)):

        def plain(name: str, after: Callable[[int, Tensor], None], net: nn.Sequential) -> None:
            label = f"torch.nn {network}"  # noqa: B023
            found.append(Contender(label, name, theirs(config, dataset, after, net)))  # noqa: B023

        def new() -> nn.Sequential:
            return module(config, dataset.vocabulary.size)  # noqa: B023

        plain("off", lambda *_: None, new())
        for every in (10, 1):
            cadence = "every step" if every == 1 else f"every {every}"
            net = new()
            plain(f"hooks with .item(), {cadence}", hooked(net, every), net)
            net = new()
            plain(f"wandb.watch, {cadence}", watched(net, every, len(found)), net)
    return found


def measure(found: list[Contender], rounds: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Medians over the rounds, by network; each contender is compared within its own round."""
    repeats: list[int] = []
    for one in found:
        one.steps(20)
        start = time.perf_counter()
        one.steps(20)
        each = (time.perf_counter() - start) / 20
        # whole hundreds, so that each round has its share of gaps
        repeats.append(max(100, round(seconds / each / 100) * 100))
    times: list[list[float]] = [[] for _ in found]
    for _ in range(rounds):
        for index, one in enumerate(found):
            start = time.perf_counter()
            one.steps(repeats[index])
            times[index].append((time.perf_counter() - start) / repeats[index])
    table: dict[str, dict[str, Any]] = {}
    off = {one.network: at for one, at in zip(found, times, strict=True) if one.name == "off"}
    for one, at in zip(found, times, strict=True):
        ratio = statistics.median(a / b for a, b in zip(at, off[one.network], strict=True))
        table.setdefault(one.network, {})[one.name] = {
            "us": statistics.median(at) * 1e6,
            "ratio": ratio,
            "limit": LIMITS.get((one.network, one.name)),
        }
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.2, help="a round of each contender")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True, disable_git=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        wandb.init(mode="offline", dir=folder, project="benchmark", settings=quiet),
    ):
        found = contenders(load(), Path(folder))
        table = measure(found, options.rounds, options.seconds)
    if options.json:
        print(json.dumps(table, indent=1))
        return
    print(f"torch {torch.__version__}, one thread, {options.rounds} rounds; medians, ratios to off")
    for network, rows in table.items():
        print(f"\n{network}")
        for name, row in rows.items():
            limit = f"   limit {row['limit']}" if row["limit"] else ""
            print(f"  {name:32s} {row['us']:9.1f} µs a step   {row['ratio']:.3f}{limit}")


if __name__ == "__main__":
    main()
