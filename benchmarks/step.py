"""What one training step costs: the lecture's own loop with autograd against ours, in one run.

    python benchmarks/step.py [--rounds 9] [--default-malloc] [--json]

One thread. Every contender draws its batch, goes forward and backward, and updates. Contenders
take turns, round after round, so that a machine that changes its speed changes it for all; a ratio
is the median over the rounds of (contender / the lecture's step of the same round).
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (the name the field gives it)
from torch import Tensor

from ninja.allocator import keep_freed_memory
from ninja.batches import Batches
from ninja.data import Dataset, load
from ninja.engines import Engine, engine
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import PRESETS, build, with_hidden
from ninja.optim import sgd_
from ninja.replicas import stack

BATCH, LR, SEED = 32, 0.1, 2147483647
STACKS = (4, 8, 16, 32)
SECONDS = 0.15  # of one contender in one round


@dataclass(frozen=True)
class Contender:
    """Something to be timed.

    Attributes:
        name: as printed.
        step: does it once.
        models: how many models one call steps.
    """

    name: str
    step: Callable[[], object]
    models: int = 1


def lecture_step(dataset: Dataset, hidden: int) -> Callable[[], object]:
    """The lecture's loop as it stands at the end of part 4, with ``loss.backward()``."""
    generator = torch.Generator().manual_seed(SEED)
    fan_in = 30
    C = torch.randn((27, 10), generator=generator)
    W1 = torch.randn((fan_in, hidden), generator=generator) * (5 / 3) / fan_in**0.5
    b1 = torch.randn(hidden, generator=generator) * 0.1
    W2 = torch.randn((hidden, 27), generator=generator) * 0.1
    b2 = torch.randn(27, generator=generator) * 0.1
    bngain = torch.randn((1, hidden), generator=generator) * 0.1 + 1.0
    bnbias = torch.randn((1, hidden), generator=generator) * 0.1
    parameters = [C, W1, b1, W2, b2, bngain, bnbias]
    for p in parameters:
        p.requires_grad = True
    contexts, targets = dataset.train.contexts, dataset.train.targets

    def step() -> Tensor:
        ix = torch.randint(0, contexts.shape[0], (BATCH,), generator=generator)
        Xb, Yb = contexts[ix], targets[ix]
        emb = C[Xb]
        embcat = emb.view(emb.shape[0], -1)
        hprebn = embcat @ W1 + b1
        bnmean = hprebn.mean(0, keepdim=True)
        bnvar = hprebn.var(0, keepdim=True, unbiased=True)
        bnvar_inv = (bnvar + 1e-5) ** -0.5
        bnraw = (hprebn - bnmean) * bnvar_inv
        hpreact = bngain * bnraw + bnbias
        h = torch.tanh(hpreact)
        logits = h @ W2 + b2
        loss = F.cross_entropy(logits, Yb)
        for p in parameters:
            p.grad = None
        loss.backward()
        for p in parameters:
            p.data += -LR * p.grad  # pyright: ignore[reportOperatorIssue]
        return loss

    return step


def our_step(net: Net, dataset: Dataset, chosen: Engine, replicas: int) -> Callable[[], object]:
    """One step of a single run (replicas 0) or of a stack."""
    generators = [Generators.of(SEED + i) for i in range(max(replicas, 1))]
    runs = [draw(net, own) for own in generators]
    streams = [own.run for own in generators]
    params = stack(runs) if replicas else runs[0]
    batches = Batches(dataset.train, BATCH, streams if replicas else streams[0])

    def step() -> Tensor:
        trace = net.forward(params, next(batches), graph=chosen.graph)
        sgd_(params, chosen(net, trace).deltas, LR)
        return trace.loss

    return step


def gemm_step(hidden: int, replicas: int) -> Callable[[], object]:
    """The six matrix products of a step and nothing else: the limit of any implementation."""
    lead = (replicas,) if replicas else ()
    generator = torch.Generator().manual_seed(SEED)
    embcat, W1, h, W2, dlogits = (
        torch.randn((*lead, *shape), generator=generator)
        for shape in ((BATCH, 30), (30, hidden), (BATCH, hidden), (hidden, 27), (BATCH, 27))
    )

    def step() -> None:
        for a, b in (
            (embcat, W1),
            (h, W2),
            (dlogits, W2.mT),
            (h.mT, dlogits),
            (h, W1.mT),
            (embcat.mT, h),
        ):
            torch.matmul(a, b)

    return step


def contenders(dataset: Dataset, hidden: int) -> list[Contender]:
    """All of one hidden size; the lecture's own first."""
    net = build(with_hidden(PRESETS["lecture_manual"], hidden), dataset.vocabulary.size)
    ours = {name: engine(name) for name in ("manual_fused", "manual_atomic", "autograd")}
    found = [Contender("lecture autograd", lecture_step(dataset, hidden))]
    found += [
        Contender(f"{name}, single", our_step(net, dataset, one, 0)) for name, one in ours.items()
    ]
    found.append(Contender("GEMM only, single", gemm_step(hidden, 0)))
    for replicas in STACKS:
        one = our_step(net, dataset, ours["manual_fused"], replicas)
        found.append(Contender(f"manual_fused, stack of {replicas}", one, replicas))
    found += [
        Contender(
            "manual_atomic, stack of 16", our_step(net, dataset, ours["manual_atomic"], 16), 16
        ),
        Contender("GEMM only, stack of 16", gemm_step(hidden, 16), 16),
    ]
    return found


def measure(found: list[Contender], rounds: int) -> dict[str, list[float]]:
    """Seconds per model-step of every contender, one value a round."""
    times: dict[str, list[float]] = {contender.name: [] for contender in found}
    repeats: dict[str, int] = {}
    for contender in found:  # warm up, and find how often to repeat
        for _ in range(20):
            contender.step()
        repeats[contender.name] = max(1, int(SECONDS / (_time(contender, 20) / 20)))
    for _ in range(rounds):
        for contender in found:
            n = repeats[contender.name]
            times[contender.name].append(_time(contender, n) / n / contender.models)
    return times


def _time(contender: Contender, n: int) -> float:
    start = time.perf_counter()
    for _ in range(n):
        contender.step()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--default-malloc", action="store_true", help="leave malloc as it is")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.default_malloc:
        keep_freed_memory()
    dataset = load()
    results: dict[str, dict[str, dict[str, float]]] = {}
    for hidden in (64, 200):
        times = measure(contenders(dataset, hidden), options.rounds)
        results[str(hidden)] = summary(times)
    if options.json:
        print(json.dumps(results, indent=1))
        return
    print(f"torch {torch.__version__}, one thread, batch {BATCH}, {options.rounds} rounds")
    print("µs per model-step (median), and its ratio to the lecture's step (median over rounds)")
    for hidden, rows in results.items():
        print(f"\nhidden {hidden}")
        for name, row in rows.items():
            share = f"   {row['gemm_share']:4.0%} of the GEMM limit" if "gemm_share" in row else ""
            print(f"  {name:28s} {row['us']:7.1f} µs   {row['ratio']:.3f}{share}")
        atomic = rows["manual_atomic, single"]["us"] / rows["manual_fused, single"]["us"]
        print(f"  step by step costs {atomic:.2f} times the closed forms")


def summary(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Medians, ratios to the lecture's step, and the share of the GEMM-only limit."""
    lecture = times["lecture autograd"]
    rows: dict[str, dict[str, float]] = {}
    for name, values in times.items():
        row = {
            "us": statistics.median(values) * 1e6,
            "ratio": statistics.median(a / b for a, b in zip(values, lecture, strict=True)),
        }
        limit = "GEMM only, single" if name.endswith("single") else "GEMM only, stack of 16"
        if name.endswith(("single", "stack of 16")) and not name.startswith("GEMM"):
            gemm = times[limit]
            shares = (b / a for a, b in zip(values, gemm, strict=True))
            row["gemm_share"] = statistics.median(shares)
        rows[name] = row
    return rows


if __name__ == "__main__":
    main()
