"""One training step on one screen, and the state it changes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ninja.batches import Batches
from ninja.checkpoint import TrainState
from ninja.config import RunConfig
from ninja.data import Dataset, Examples
from ninja.engines import Autograd, Checked, Engine, engine
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import build
from ninja.optim import clipped, grad_norm, learning_rate, start, update_
from ninja.probes import Snapshot, copied
from ninja.types import Buffers, Gradients, Params, Trace

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass
class Training:
    """A run under way.

    Attributes:
        config: of the run; nothing changes it.
        net: what is trained.
        engine: how its loss is pulled back.
        checked: the same with the other engine beside it, for the steps that compare.
        batches: drawn from the run's generator.
        step: the next one.
        params: changed in place.
        buffers: running statistics, replaced.
        optimizer: momenta, changed in place.
    """

    config: RunConfig
    net: Net
    engine: Engine
    checked: Engine
    batches: Batches
    step: int
    params: Params
    buffers: Buffers
    optimizer: dict[str, Params]


@dataclass(frozen=True)
class Step:
    """What one step leaves behind.

    Attributes:
        number: of the step.
        lr: its learning rate.
        trace: of its forward, whose loss is the step's.
        gradients: before clipping, with the gap if it was asked for.
        grad_norm: (...) of the whole gradient before clipping; none where nobody asked.
        snapshot: for the probes; none on a step that is not looked at.
    """

    number: int
    lr: float
    trace: Trace
    gradients: Gradients
    grad_norm: Tensor | None
    snapshot: Snapshot | None


def train_step(run: Training, *, look: bool, compare: bool) -> Step:
    """Batch → forward → backward → clip → update, and what the probes will want of it.

    Args:
        run: is one step further afterwards.
        look: keep a snapshot for the probes.
        compare: let the other engine pull the same trace back, for the gap.
    """
    optimizer, number = run.config.optimizer, run.step
    pull = run.checked if compare else run.engine
    batch = next(run.batches)
    trace = run.net.forward(run.params, batch, graph=pull.graph)
    gradients = pull(run.net, trace, "all" if look else "params")
    deltas, norm, lead = gradients.deltas, None, trace.loss.dim()
    if optimizer.clip is not None:
        deltas, norm = clipped(run.params, deltas, optimizer.clip, lead)
    elif look:
        norm = grad_norm(run.params, deltas, lead)
    before = copied(run.params) if look else run.params
    lr = learning_rate(optimizer, number)
    update_(optimizer, run.params, deltas, run.optimizer, lr, number)
    run.buffers = run.net.running(run.buffers, trace)
    run.step += 1
    snapshot = None
    if look:
        snapshot = Snapshot(run.net, trace, gradients.deltas, before, run.params, number, lead)
    return Step(number, lr, trace, gradients, norm, snapshot)


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
    else:
        params, buffers = _to(state.params, device, dtype), _to(state.buffers, device, dtype)
        optimizer = {name: _to(of, device, dtype) for name, of in state.optimizer.items()}
    examples = Examples(dataset.train.contexts.to(device), dataset.train.targets.to(device))
    batches = Batches(examples, config.batch_size, generators.run)
    if state is not None:
        batches.restore(state.generators, state.used)
    return Training(
        config,
        net,
        chosen,
        Checked(chosen, other),
        batches,
        0 if state is None else state.step,
        params,
        buffers,
        optimizer,
    )


def state_of(run: Training, record: int, seconds: float) -> TrainState:
    """What a checkpoint keeps: the run between two steps."""
    generators, used = run.batches.state()
    return TrainState(
        run.step, run.params, run.buffers, run.optimizer, generators, used, record, seconds
    )


def _to(tensors: Params, device: torch.device, dtype: torch.dtype) -> Params:
    return {
        node: {name: tensor.to(device, dtype) for name, tensor in named.items()}
        for node, named in tensors.items()
    }
