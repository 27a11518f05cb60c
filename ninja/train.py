"""One training step on one screen, and the state it changes."""

from dataclasses import dataclass

import torch

from ninja.agreement import gap
from ninja.batches import Batches
from ninja.checkpoint import TrainState
from ninja.config import RunConfig
from ninja.data import Dataset
from ninja.engines import Autograd, Engine, engine
from ninja.init import Generators, noise_generator
from ninja.net import Net, draw
from ninja.networks import build
from ninja.optim import clipped, directions, learning_rate, start, update_
from ninja.probes import Due, Snapshot, Values, copied, noise_terms
from ninja.types import Batch, Buffers, Deltas, Params, Trace

NOISE_BATCHES = 16
"""As many more batches are drawn for a step's noise scale."""

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass
class Training:
    """A run under way.

    Attributes:
        config: of the run; nothing changes it.
        net: what is trained.
        engine: how its loss is pulled back.
        other: another one, for the steps that compare.
        batches: drawn from the run's generator.
        step: the next one.
        params: changed in place.
        buffers: running statistics, replaced.
        optimizer: momenta, changed in place.
        previous: the parameters' gradients of the last step, if the next one looks back at them;
            else empty.
    """

    config: RunConfig
    net: Net
    engine: Engine
    other: Engine
    batches: Batches
    step: int
    params: Params
    buffers: Buffers
    optimizer: dict[str, Params]
    previous: Deltas


@dataclass(frozen=True)
class Step:
    """What one step leaves behind, just after its update.

    Attributes:
        number: of the step.
        lr: its learning rate.
        trace: of its forward, whose loss is the step's.
        deltas: before clipping.
        reference: the other engine's, of the same trace, if they are to be compared.
        snapshot: for the probes; none on a step that is not looked at.
        previous: the parameters' gradients of the step before, if they were kept.
        noise: tr(Σ) and |G|², (...) each, if they were asked for.
    """

    number: int
    lr: float
    trace: Trace
    deltas: Deltas
    reference: Deltas | None
    snapshot: Snapshot | None
    previous: Deltas
    noise: tuple[Values, Values] | None


def train_step(run: Training, due: Due) -> Step:
    """Batch → forward → backward → clip → update, and what the probes will want of it.

    Args:
        run: is one step further afterwards.
        due: what the step owes to the record.
    """
    optimizer, number = run.config.optimizer, run.step
    graph = run.engine.graph or (due.compare and run.other.graph)
    trace = run.net.forward(run.params, next(run.batches), graph=graph)
    own = run.engine(run.net, trace, "all" if due.look else "params").deltas
    reference = run.other(run.net, trace).deltas if due.compare else None
    deltas, lead = own, trace.loss.dim()
    if optimizer.clip is not None:
        deltas, _ = clipped(run.params, deltas, optimizer.clip, lead)
    noise = _noise(run, lead) if due.noise else None
    before = copied(run.params) if due.look and optimizer.name == "adamw" else None
    lr = learning_rate(optimizer, number)
    update_(optimizer, run.params, deltas, run.optimizer, lr, number)
    run.buffers = run.net.running(run.buffers, trace)
    run.step += 1
    snapshot = None
    if due.look:
        moved = directions(optimizer, deltas, run.optimizer, before, run.params)
        rate = lr if before is None else 1.0
        snapshot = Snapshot(run.net, trace, own, run.params, moved, rate, lead)
    previous = run.previous
    run.previous = _of_parameters(run.params, own) if due.keep else {}
    return Step(number, lr, trace, own, reference, snapshot, previous, noise)


def _of_parameters(params: Params, deltas: Deltas) -> Deltas:
    return {node: {key: deltas[node][key] for key in own} for node, own in params.items()}


def _noise(run: Training, lead: int) -> tuple[Values, Values]:
    """The noise of the gradient at the parameters as they are; the training's draws stay its own.

    BatchNorm's running statistics do not see these batches.
    """
    size = run.config.batch_size
    generator = noise_generator(run.config.seed, run.step)
    batches = Batches(run.batches.examples, size, generator, ahead=NOISE_BATCHES)
    gradients = (
        run.engine(run.net, run.net.forward(run.params, batch, graph=run.engine.graph)).deltas
        for _, batch in zip(range(NOISE_BATCHES), batches, strict=False)
    )
    return noise_terms(run.params, gradients, size, lead)


def exact_gap(run: Training) -> float:
    """The gap of the engine in use from the other in float64, at the parameters as they are.

    In float32 two right gradients are a rounding error of their summands apart, which is much of a
    gradient that is nearly zero. What is left of a gap in float64 is no rounding.
    """
    params = _to(run.params, torch.device(run.config.device), torch.float64)
    examples = run.batches.examples
    rows = torch.arange(run.config.batch_size, device=examples.targets.device) % len(examples)
    batch = Batch(examples.contexts[rows], examples.targets[rows])
    trace = run.net.forward(params, batch, graph=run.engine.graph or run.other.graph)
    own, reference = (one(run.net, trace).deltas for one in (run.engine, run.other))
    return gap(own, reference, params).item()


def begin(config: RunConfig, dataset: Dataset, state: TrainState | None = None) -> Training:
    """A run before its first step, or where a checkpoint was taken.

    Raises:
        ConfigError: the network cannot be built.
    """
    net = build(config.network, dataset.vocabulary.size)
    chosen = engine(config.backward)
    other = engine("manual_atomic") if isinstance(chosen, Autograd) else Autograd()
    generators = Generators.of(config.seed)
    device, dtype = torch.device(config.device), DTYPES[config.dtype]
    if state is None:
        params = _to(draw(net, generators, dtype), device, dtype)
        buffers = _to(net.buffers(), device, dtype)
        optimizer = start(config.optimizer, params)
        previous: Deltas = {}
    else:
        params, buffers = _to(state.params, device, dtype), _to(state.buffers, device, dtype)
        optimizer = {name: _to(of, device, dtype) for name, of in state.optimizer.items()}
        previous = _to(state.previous, device, dtype)
    batches = Batches(dataset.train.to(config.device), config.batch_size, generators.run)
    if state is not None:
        batches.restore(state.generators, state.used)
    return Training(
        config,
        net,
        chosen,
        other,
        batches,
        0 if state is None else state.step,
        params,
        buffers,
        optimizer,
        previous,
    )


def state_of(run: Training, record: int, seconds: float) -> TrainState:
    """What a checkpoint keeps: the run between two steps."""
    generators, used = run.batches.state()
    return TrainState(
        run.step,
        run.params,
        run.buffers,
        run.optimizer,
        run.previous,
        generators,
        used,
        record,
        seconds,
    )


def _to(tensors: Params, device: torch.device, dtype: torch.dtype) -> Params:
    return {
        node: {name: tensor.to(device, dtype) for name, tensor in named.items()}
        for node, named in tensors.items()
    }
