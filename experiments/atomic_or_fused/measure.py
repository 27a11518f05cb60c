"""What it costs to go back step by step, and not by closed forms: bytes, reads, time."""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Generator, Tensor

from experiments.deep import Measured
from ninja import data
from ninja.allocator import keep_freed_memory
from ninja.engines import engine
from ninja.net import Net
from ninja.networks import PRESETS, build
from ninja.rules import BatchNorm, CrossEntropy, Rule, intermediates
from ninja.types import Params, Tensors, Trace
from ninja.verify import first_step

ENGINES = ("manual_atomic", "manual_fused")
SEED, BATCHES = 2147483647, (32, 1024)
ROWS, FEATURES = 8192, 1024
"""Of the rules that are timed: 32 MiB a tensor, which no cache holds."""
CALLS = 20
"""Of an engine in a row: one is too short for a clock."""


class Read(dict[str, Tensor]):
    """Tensors that note which of them are looked at."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__(tensors)
        self.read: dict[str, Tensor] = {}

    def __getitem__(self, key: str) -> Tensor:
        """The tensor of that name, which is noted."""
        self.read[key] = super().__getitem__(key)
        return self.read[key]


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    found: Measured = {}
    for rows in BATCHES:
        net, params, trace = _passed(rows)
        for name in ENGINES:
            deltas = engine(name)(net, trace).deltas
            held = _bytes(tensor for named in deltas.values() for tensor in named.values())
            found[f"held_{name}_{rows}"] = [held]
            found[f"read_{name}_{rows}"] = [_bytes(_read(net, params, trace, name))]
        found[f"kept_{rows}"] = [
            _bytes(of for saved in trace.saved.values() for _, of in intermediates(saved))
        ]
    keep_freed_memory()  # as in training: or a first touch of fresh memory is most of the time
    rounds = 5 if quick else 9
    found["batchnorm_time"] = [_rule_time(BatchNorm(FEATURES), rounds)]
    found["cross_entropy_time"] = [_rule_time(CrossEntropy(), rounds)]
    found["dearer"] = [float(_engine_time(5 * rounds) > 1)]
    return found


def _passed(rows: int) -> tuple[Net, Params, Trace]:
    """The lecture's network and one forward, of which both engines are to go back."""
    dataset = data.load(data.NAMES)
    net = build(PRESETS["lecture_manual"], dataset.vocabulary.size)
    params, batch = first_step(net, dataset, SEED, rows, torch.float32, None)
    return net, params, net.forward(params, batch)


def _bytes(tensors: Iterable[Tensor]) -> int:
    """That they hold together; what several show of one memory counts once."""
    storages = (tensor.untyped_storage() for tensor in tensors)
    return sum({of.data_ptr(): of.nbytes() for of in storages}.values())


def _read(net: Net, params: Params, trace: Trace, name: str) -> Iterator[Tensor]:
    """The numbers of a forward that an engine looks at: what a forward for it alone would keep."""
    saved = {node: Read(tensors) for node, tensors in trace.saved.items()}
    engine(name)(net, Trace(trace.loss, {**saved}, params))
    for tensors in saved.values():
        yield from (of for of in tensors.read.values() if of.is_floating_point())


def _rule_time(rule: Rule, rounds: int) -> float:
    """Step by step over the closed form, of one large rule; the median of the rounds."""
    generator = Generator().manual_seed(SEED)
    x = torch.randn(ROWS, FEATURES, generator=generator)
    params = {name: torch.ones(shape) for name, shape in rule.shapes().items()}
    with torch.inference_mode():
        if isinstance(rule, CrossEntropy):
            saved = rule.forward(params, x, torch.randint(FEATURES, (ROWS,), generator=generator))
        else:
            saved = rule.forward(params, x)
        dy = torch.ones_like(saved["y"])
        return _ratio(
            lambda: rule.backward(params, saved, dy),
            lambda: rule.backward_fused(params, saved, dy),
            rounds,
        )


def _engine_time(rounds: int) -> float:
    """The same of a whole backward pass of the lecture's network."""
    net, _, trace = _passed(BATCHES[0])
    atomic, fused = (engine(name) for name in ENGINES)

    def often(pull: Callable[[Net, Trace], object]) -> None:
        for _ in range(CALLS):
            pull(net, trace)

    return _ratio(lambda: often(atomic), lambda: often(fused), rounds)


def _ratio(one: Callable[[], object], other: Callable[[], object], rounds: int) -> float:
    """Of the times of two calls, which take turns; the first round only warms up."""
    ratios: list[float] = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        one()
        between = time.perf_counter()
        other()
        ratios.append((between - start) / (time.perf_counter() - between))
    return statistics.median(ratios[1:])
