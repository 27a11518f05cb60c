"""What `ninja.watch` costs, beside `wandb.watch`: ratios to the same training with nothing on.

    python benchmarks/watch.py [--starts 3] [--rounds 15] [--seconds 0.3] [--device cuda] [--json]

Two trainings as people write them, on one thread: an MLP of five hidden layers of 100 with tanh, at
batch 32, by SGD; and a transformer of two layers, 64 wide, with four heads, at batch 16 and 32
tokens, by AdamW. Each way of looking trains a network of its own, in a process of its own: hooks of
all modules, while they wait for a due step, are called by other trainings too. They take turns,
round after round, and a ratio is the median over the rounds of (this way / nothing, of the same
round). Two processes that do the same differ by some percent for as long as they last, by where
their memory lies: so all of this is done in several starts, and the median over these is told,
with the lowest and the highest.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any

import torch
import wandb
from torch import Tensor, nn

import ninja
from ninja.allocator import keep_freed_memory

LIMITS = {"ninja.watch, every 10": 1.05, "ninja.watch, every step": 1.5}
CLASSES, TOKENS = 27, 100
WARM = 60  # steps: all of the early ones are looked at closely

Loss = Callable[[], Tensor]
After = Callable[[Tensor], None]


@dataclass(frozen=True)
class Contender:
    """One way to look at one training.

    Attributes:
        network: which.
        name: of the way.
        process: that trains.
        turns: to it.
    """

    network: str
    name: str
    process: BaseProcess
    turns: Any

    def turn(self, steps: int) -> float:
        """Train so many; the seconds that it took."""
        self.turns.send(steps)
        return self.turns.recv()

    def stop(self) -> None:
        """Let the process end."""
        self.turns.send(0)
        self.process.join()


class Transformer(nn.Module):
    """Two layers of torch's own encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(TOKENS, 64)
        self.position = nn.Parameter(torch.randn(32, 64) * 0.02)
        layer = nn.TransformerEncoderLayer(64, 4, 256, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(64, TOKENS)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of every token."""
        return self.head(self.encoder(self.embedding(tokens) + self.position))


def mlp() -> tuple[nn.Module, torch.optim.Optimizer, Loss]:
    widths = [30, *[100] * 5]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.Tanh()]
    net = nn.Sequential(*layers, nn.Linear(widths[-1], CLASSES))
    x, y = torch.randn(32, 30), torch.randint(0, CLASSES, (32,))

    def loss() -> Tensor:
        return nn.functional.cross_entropy(net(x), y)

    return net, torch.optim.SGD(net.parameters(), lr=0.01), loss


def transformer() -> tuple[nn.Module, torch.optim.Optimizer, Loss]:
    net = Transformer()
    x, y = torch.randint(0, TOKENS, (16, 32)), torch.randint(0, TOKENS, (16, 32))

    def loss() -> Tensor:
        return nn.functional.cross_entropy(net(x).flatten(0, 1), y.flatten())

    return net, torch.optim.AdamW(net.parameters(), lr=1e-3), loss


def stepped(optimizer: torch.optim.Optimizer, loss: Loss, after: After) -> Callable[[int], None]:
    """The loop; ``after`` is told each step's loss."""

    def steps(n: int) -> None:
        for _ in range(n):
            optimizer.zero_grad()
            value = loss()
            value.backward()
            optimizer.step()
            after(value)

    return steps


def by_wandb(net: nn.Module, every: int) -> After:
    """`wandb.watch`, offline: histograms of gradients and parameters, every so many steps."""
    quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True, disable_git=True)
    wandb.init(mode="offline", project="benchmark", settings=quiet)
    wandb.watch(net, log="all", log_freq=every)
    numbers: Iterator[int] = iter(range(10**9))

    def after(loss: Tensor) -> None:
        if next(numbers) % every == 0:
            wandb.log({"loss": loss.item()})

    return after


NETWORKS = {"MLP of 5 x 100": mlp, "transformer": transformer}
WAYS = {
    "nothing": ("", 0),
    "ninja.watch, every 10": ("ninja", 10),
    "wandb.watch, every 10": ("wandb", 10),
    "ninja.watch, every step": ("ninja", 1),
    "wandb.watch, every step": ("wandb", 1),
}


def trains(turns: Any, network: str, way: str, device: str) -> None:
    """A process: told how many steps, it makes them and says what they took, until told none."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()
    with torch.device(device):  # which makes every call slower while it lasts
        net, optimizer, loss = NETWORKS[network]()
    looks, every = WAYS[way]
    after: After = lambda _: None  # noqa: E731
    with ExitStack() as held:
        if looks == "ninja":
            after = held.enter_context(ninja.watch(net, optimizer, every=every)).step
        elif looks == "wandb":
            after = by_wandb(net, every)
        steps = stepped(optimizer, loss, after)
        while n := turns.recv():
            start = time.perf_counter()
            steps(n)
            wait(device)
            turns.send(time.perf_counter() - start)
    if looks == "wandb":
        wandb.finish()


def contenders(device: str) -> Iterator[Contender]:
    """All of them, their processes begun."""
    context = get_context("spawn")
    for network in NETWORKS:
        for way in WAYS:
            here, there = context.Pipe()
            process = context.Process(target=trains, args=(there, network, way, device))
            process.start()
            yield Contender(network, way, process, here)


def wait(device: str) -> None:
    """Until the device has done what it was given."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def measure(found: list[Contender], rounds: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Medians over the rounds of one start, by network."""
    repeats: list[int] = []
    for one in found:
        one.turn(WARM)
        each = one.turn(10) / 10
        repeats.append(max(10, round(seconds / each / 10) * 10))  # whole tens: a look in each
    times: list[list[float]] = [[] for _ in found]
    for _ in range(rounds):
        for at, one in enumerate(found):
            times[at].append(one.turn(repeats[at]) / repeats[at])
    plain = {one.network: at for one, at in zip(found, times) if one.name == "nothing"}
    table: dict[str, dict[str, Any]] = {}
    for one, at in zip(found, times):
        table.setdefault(one.network, {})[one.name] = {
            "us": statistics.median(at) * 1e6,
            "ratio": statistics.median(a / b for a, b in zip(at, plain[one.network])),
        }
    return table


def started(device: str, rounds: int, seconds: float) -> dict[str, dict[str, Any]]:
    """What is measured of processes that are begun for it."""
    found = list(contenders(device))
    table = measure(found, rounds, seconds)
    for one in found:
        one.stop()
    return table


def together(tables: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Medians over the starts."""
    found: dict[str, dict[str, Any]] = {}
    for network, rows in tables[0].items():
        for name in rows:
            ratios = [table[network][name]["ratio"] for table in tables]
            found.setdefault(network, {})[name] = {
                "us": statistics.median(table[network][name]["us"] for table in tables),
                "ratio": statistics.median(ratios),
                "lowest": min(ratios),
                "highest": max(ratios),
                "limit": LIMITS.get(name),
            }
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.3, help="a round of each contender")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WANDB_DIR"] = folder
        each = (options.device, options.rounds, options.seconds)
        table = together([started(*each) for _ in range(options.starts)])
    if options.json:
        print(json.dumps(table, indent=1))
        return
    where = f"torch {torch.__version__}, {options.device}, one thread"
    print(f"{where}, {options.starts} starts of {options.rounds} rounds; medians")
    for network, rows in table.items():
        print(f"\n{network}")
        for name, row in rows.items():
            limit = f"   limit {row['limit']}" if row["limit"] else ""
            ratio = f"{row['ratio']:.3f} ({row['lowest']:.3f} to {row['highest']:.3f})"
            print(f"  {name:26s} {row['us']:9.1f} µs a step   {ratio}{limit}")


if __name__ == "__main__":
    main()
