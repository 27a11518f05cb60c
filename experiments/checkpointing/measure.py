"""Activations kept, products computed and gradients, with segments computed twice and without."""

import statistics
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode

from experiments.deep import Deep, Measured, normal, seeds
from ninja import recompute, theory
from ninja.engines import engine, engines
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.recompute import Recomputed, Segment, parts, split
from ninja.rules import BatchNorm, LayerNorm, RMSNorm, Rule
from ninja.types import Batch, Deltas, Params, Tensors, Trace

DEPTH, WIDTH, ROWS = 64, 16, 512
"""Rows enough that no parameter is as large as an activation."""

COUNTS = (1, 2, 4, 8, 16, 32, 64)
BEST = 8
ENGINES = tuple(engines())

LINEAR = Deep(DEPTH, WIDTH, "identity", 1.0, batch=ROWS)
"""A layer leaves one activation: what theory counts."""

TANH = Deep(DEPTH, WIDTH, "tanh", 1.5, 0.05, batch=ROWS)
"""A layer leaves two: what it is given and what it makes of it."""

TIMED = Deep(DEPTH, 128, "tanh", 1.5, 0.05, batch=128)
"""Wide enough that its time is that of its products."""

NORMS: tuple[Callable[[int], Rule] | None, ...] = (None, BatchNorm, LayerNorm, RMSNorm)


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    found: Measured = {
        "saved_whole": [_saved(LINEAR, None)],
        **{f"saved_{count}": [_saved(LINEAR, count)] for count in COUNTS},
        "tanh_whole": [_saved(TANH, None)],
        "tanh_8": [_saved(TANH, BEST)],
        "evaluated_whole": [_products(None) - 2 * DEPTH],
        "evaluated_8": [_products(BEST) - 2 * DEPTH],
        "factor_8": [_products(BEST) / _products(None)],
        "factor_64": [_products(DEPTH) / _products(None)],
        "time": _slower(30),
    }
    for name in ENGINES:
        more = [_live(name, count) - theory.saved_activations(DEPTH, count) for count in COUNTS]
        found[f"live_{name}"] = more
        found[f"differing_{name}"] = list(_differing(name, 1 if quick else 3))
    return found


def predict() -> dict[str, float]:
    """The same by `ninja.theory`."""
    kept = {f"saved_{count}": theory.saved_activations(DEPTH, count) for count in COUNTS}
    return {**kept, "factor_64": theory.time_factor()}


def _problem(deep: Deep, seed: int) -> tuple[Net, Params, Batch]:
    net, generators = deep.net(), Generators.of(seed)
    params = draw(net, generators)
    direction = torch.randn(deep.batch, deep.width, generator=generators.run)
    return net, params, Batch(normal(deep.batch, deep.width, seed), direction)


def _forward(
    net: Net, params: Params, batch: Batch, segments: Sequence[Segment], *, graph: bool = False
) -> Trace:
    """Whole if there are no segments."""
    if not segments:
        return net.forward(params, batch, graph=graph)
    return recompute.forward(segments, params, batch, net.buffers(), graph=graph)[0]


def _segments(net: Net, count: int | None) -> Sequence[Segment]:
    return () if count is None else split(net, count)


def _saved(deep: Deep, count: int | None) -> float:
    """The most activations that the trace holds at a time, on the way forward and back."""
    net, params, batch = _problem(deep, 1)
    trace = _forward(net, params, batch, _segments(net, count))
    kept = trace.saved.kept if isinstance(trace.saved, Recomputed) else {}
    counts = [len(_storages([kept, *_hidden(part.trace.saved)])) for part in parts(net, trace)]
    return float(max(counts))


def _hidden(saved: Mapping[str, Tensors]) -> Iterable[Tensors]:
    """Of the layers; the loss keeps what it was given to compare with."""
    return (tensors for name, tensors in saved.items() if not name.endswith(".loss"))


def _storages(named: Iterable[Tensors]) -> set[int]:
    """A tensor that two names have is one."""
    return {tensor.untyped_storage().data_ptr() for own in named for tensor in own.values()}


class Live(TorchDispatchMode):
    """Notes what is allocated within, and when it is let go, to the byte.

    Attributes:
        size: bytes; what is smaller is not counted.
        peak: the most bytes that were there at a time.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.peak = 0
        self._there: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_iter(made):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self._there and storage.nbytes() >= self.size:
                    self._there[storage._cdata] = storage.nbytes()
                    self.peak = max(self.peak, sum(self._there.values()))
                    weakref.finalize(storage, self._there.pop, storage._cdata)
        return made


def _live(name: str, count: int) -> float:
    """The most that is there at a time, in activations, the batch of a step included."""
    net, params, batch = _problem(LINEAR, 1)
    segments, pull = split(net, count), engine(name)
    given = [tensor.untyped_storage().nbytes() for tensor in batch]
    with Live(given[0]) as live:
        pull(net, _forward(net, params, batch, segments, graph=pull.graph))
    return (live.peak + sum(given)) / given[0]


def _products(count: int | None) -> float:
    """Matrix products of a step, of which a layer's forward has one and its backward two."""
    net, params, batch = _problem(LINEAR, 1)
    segments = _segments(net, count)
    with FlopCounterMode(display=False) as counter:
        engine("manual_fused")(net, _forward(net, params, batch, segments))
    return counter.get_total_flops() / (2 * ROWS * WIDTH * WIDTH)


def _slower(repeats: int) -> list[float]:
    """Time of a step over that of one without segments, by autograd, the median of repeats."""
    net, params, batch = _problem(TIMED, 1)
    pull = engine("autograd")

    def seconds(segments: Sequence[Segment]) -> float:
        start = time.process_time()  # what others do on this machine does not count
        pull(net, _forward(net, params, batch, segments, graph=True))
        return time.process_time() - start

    segments = split(net, BEST)
    times = [(seconds(segments), seconds(())) for _ in range(repeats + 2)][2:]
    twice, once = map(statistics.median, zip(*times, strict=True))
    return [twice / once]


def _differing(name: str, nets: int) -> Iterable[float]:
    """Gradients of a parameter that are not those of the whole trace, in each net."""
    pull = engine(name)
    for number, norm in enumerate(NORMS):
        deep = Deep(16, WIDTH, "tanh", 1.5, 0.05, norm, batch=32)
        for seed in seeds(number, nets):
            net, params, batch = _problem(deep, seed)
            whole = pull(net, _forward(net, params, batch, (), graph=pull.graph)).deltas
            yield float(
                sum(
                    _unequal(params, whole, pull(net, trace).deltas)
                    for trace in (
                        _forward(net, params, batch, split(net, count), graph=pull.graph)
                        for count in (1, 3, 4, 16)
                    )
                )
            )


def _unequal(params: Params, one: Deltas, other: Deltas) -> int:
    return sum(
        not torch.equal(one[node][key], other[node][key])
        for node, own in params.items()
        for key in own
    )
