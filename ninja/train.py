"""One training step on one screen, and the state it changes."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ninja import compiled, recompute
from ninja.agreement import gap
from ninja.batches import Batches
from ninja.checkpoint import TrainState
from ninja.config import RunConfig
from ninja.data import Dataset
from ninja.engines import Autograd, Engine, Manual, engine
from ninja.init import Generators, noise_generator
from ninja.net import Net, draw
from ninja.networks import build
from ninja.optim import clipped, directions, learning_rate, start, update_
from ninja.probes import NOTHING, Due, Snapshot, Values, copied, noise_terms
from ninja.replicas import stack, unstack
from ninja.types import Batch, Buffers, Deltas, Params, Trace

NOISE_BATCHES = 16
"""As many more batches are drawn for a step's noise scale."""

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass
class Training:
    """A run under way, or a stack of runs of one shape: then every tensor has a leading dimension.

    Attributes:
        configs: of each run; nothing changes them. All that shapes a step is alike in them: they
            differ in the seed, the first values, the learning rate and the clip.
        net: what is trained.
        engine: how its loss is pulled back.
        other: another one, for the steps that compare.
        batches: drawn from the runs' generators.
        step: the next one.
        params: changed in place, or by a compiled step replaced.
        buffers: running statistics, replaced.
        optimizer: momenta, changed in place, or by a compiled step replaced.
        previous: the parameters' gradients of the last step, if the next one looks back at them;
            else empty.
        segments: of the net, whose intermediates are computed twice; none if all are kept.
        lr: learning rate of the next step, one or (R,) in float64.
        limit: largest norm of a run's gradient, one or (R,); none for no clipping.
    """

    configs: tuple[RunConfig, ...]
    net: Net
    engine: Engine
    other: Engine
    batches: Batches
    step: int
    params: Params
    buffers: Buffers
    optimizer: dict[str, Params]
    previous: Deltas
    segments: tuple[recompute.Segment, ...] = field(init=False)
    lr: float | Tensor = field(init=False)
    limit: float | Tensor | None = field(init=False)

    def __post_init__(self) -> None:
        count = self.config.recompute
        self.segments = () if count == "none" else recompute.split(self.net, count)
        self._boundaries = {step for step, _ in self.config.optimizer.lr_schedule}
        self.lr = self._rates()
        limits = [config.optimizer.clip for config in self.configs]
        self.limit = None if None in limits else _one_or_each([of for of in limits if of])

    @property
    def config(self) -> RunConfig:
        """What the runs have in common; of a single run, all of it."""
        return self.configs[0]

    def stepped(self) -> None:
        """The next step has come."""
        self.step += 1
        if self.step in self._boundaries:
            self.lr = self._rates()

    def _rates(self) -> float | Tensor:
        return _one_or_each([learning_rate(config.optimizer, self.step) for config in self.configs])


def _one_or_each(values: Sequence[float]) -> float | Tensor:
    """One number where all are equal, which is faster, and else a tensor of them."""
    same = all(value == values[0] for value in values)
    return values[0] if same else torch.tensor(values, dtype=torch.float64)


@dataclass(frozen=True)
class Step:
    """What one step leaves behind, just after its update.

    Attributes:
        number: of the step.
        lr: its learning rate, one or (R,).
        trace: of its forward, whose loss is the step's. A compiled step saves nothing, and one
            that nobody looks at under `recompute` nothing to be read after the update, unless a
            loss is not finite.
        deltas: before clipping; a compiled step's are not kept.
        reference: the other engine's, of the same trace, if they are to be compared.
        snapshot: for the probes; none on a step that is not looked at.
        previous: the parameters' gradients of the step before, if they were kept.
        noise: tr(Σ) and |G|², (...) each, if they were asked for.
    """

    number: int
    lr: float | Tensor
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
    if run.config.compile and due == NOTHING:
        return _compiled_step(run)
    optimizer, number = run.config.optimizer, run.step
    graph = run.engine.graph or (due.compare and run.other.graph)
    trace, run.buffers = _forward(run, next(run.batches), graph, whole=due.look or due.compare)
    own = run.engine(run.net, trace, "all" if due.look else "params").deltas
    reference = run.other(run.net, trace).deltas if due.compare else None
    deltas, lead = own, trace.loss.dim()
    if run.limit is not None:
        deltas, _ = clipped(run.params, deltas, run.limit, lead)
    noise = _noise(run, lead) if due.noise else None
    before = copied(run.params) if due.look and optimizer.name == "adamw" else None
    lr = run.lr
    update_(optimizer, run.params, deltas, run.optimizer, lr, number)
    run.stepped()
    snapshot = None
    if due.look:
        moved = directions(optimizer, deltas, run.optimizer, before, run.params)
        rate = 1.0 if before is not None else lr.numpy() if isinstance(lr, Tensor) else lr
        snapshot = Snapshot(run.net, trace, own, run.params, moved, rate, lead)
    previous = run.previous
    run.previous = _of_parameters(run.params, own) if due.keep else {}
    return Step(number, lr, trace, own, reference, snapshot, previous, noise)


def _forward(run: Training, batch: Batch, graph: bool, whole: bool) -> tuple[Trace, Buffers]:
    """The forward and the running statistics after it; whole, or what `recompute` keeps of it."""
    if run.segments and not whole:
        trace, buffers = recompute.forward(
            run.segments, run.params, batch, run.buffers, graph=graph
        )
        if trace.loss.isfinite().all():
            return trace, buffers
        # it will be asked, after the update, which tensor was the first that was not finite
    trace = run.net.forward(run.params, batch, graph=graph)
    return trace, run.net.running(run.buffers, trace)


def _compiled_step(run: Training) -> Step:
    """The same for a step that nobody looks at."""
    assert isinstance(run.engine, Manual)
    batch, lr, number = next(run.batches), run.lr, run.step
    before = compiled.Made(run.params, run.optimizer, run.buffers)
    loss, made = compiled.step(
        run.net, run.engine, run.config.optimizer, before, batch, lr, run.limit, number
    )
    run.params, run.optimizer, run.buffers = made
    run.previous = {}
    run.stepped()
    # where one is not finite, it will be asked which tensor was the first that was not
    saved = {} if loss.isfinite().all() else run.net.forward(before.params, batch).saved
    return Step(number, lr, Trace(loss, saved, before.params), {}, None, None, {}, None)


def _of_parameters(params: Params, deltas: Deltas) -> Deltas:
    return {node: {key: deltas[node][key] for key in own} for node, own in params.items()}


def _noise(run: Training, lead: int) -> tuple[Values, Values]:
    """The noise of the gradient at the parameters as they are; the training's draws stay its own.

    BatchNorm's running statistics do not see these batches.
    """
    size = run.config.batch_size
    generators = [noise_generator(config.seed, run.step) for config in run.configs]
    drawn_by = generators if lead else generators[0]
    batches = Batches(run.batches.examples, size, drawn_by, ahead=NOISE_BATCHES)
    gradients = (
        run.engine(run.net, run.net.forward(run.params, batch, graph=run.engine.graph)).deltas
        for _, batch in zip(range(NOISE_BATCHES), batches, strict=False)
    )
    return noise_terms(run.params, gradients, size, lead)


def exact_gap(run: Training, replica: int) -> float:
    """The gap of the engine in use from the other in float64, at the parameters as they are.

    In float32 two right gradients are a rounding error of their summands apart, which is much of a
    gradient that is nearly zero. What is left of a gap in float64 is no rounding.

    Args:
        run: under way.
        replica: of the stack; 0 of a single run.
    """
    params = _to(run.params, torch.device(run.config.device), torch.float64)
    examples = run.batches.examples
    rows = torch.arange(run.config.batch_size, device=examples.targets.device) % len(examples)
    contexts, targets = examples.contexts[rows], examples.targets[rows]
    if len(run.configs) > 1:  # as it trains: some mistakes are right for a single run
        contexts, targets = (of.expand(len(run.configs), *of.shape) for of in (contexts, targets))
    graph = run.engine.graph or run.other.graph
    trace = run.net.forward(params, Batch(contexts, targets), graph=graph)
    own, reference = (one(run.net, trace).deltas for one in (run.engine, run.other))
    return gap(own, reference, params, trace.loss.dim()).reshape(-1)[replica].item()


def begin(config: RunConfig, dataset: Dataset, state: TrainState | None = None) -> Training:
    """A run before its first step, or where a checkpoint was taken.

    Raises:
        ConfigError: the network cannot be built.
        RunError: its step cannot be compiled.
    """
    return begin_together([config], dataset, None if state is None else [state])


def begin_together(
    configs: Sequence[RunConfig], dataset: Dataset, states: Sequence[TrainState] | None = None
) -> Training:
    """Runs of one shape as a stack, before the first step or where checkpoints were taken.

    One run is no stack: its tensors have no leading dimension.

    Args:
        configs: one or more.
        dataset: of all of them.
        states: of the same step, one a run; none for the start.

    Raises:
        ConfigError: the network cannot be built.
        RunError: its step cannot be compiled.
    """
    nets = [build(config.network, dataset.vocabulary.size) for config in configs]
    config, net = configs[0], nets[0]
    chosen = engine(config.backward)
    other = engine("manual_atomic") if isinstance(chosen, Autograd) else Autograd()
    generators = [Generators.of(one.seed) for one in configs]
    device, dtype = torch.device(config.device), DTYPES[config.dtype]
    if states is None:
        drawn = [draw(*of, dtype) for of in zip(nets, generators, strict=True)]
        params = _to(_together(drawn), device, dtype)
        buffers = _to(_together([one.buffers() for one in nets]), device, dtype)
        optimizer = start(config.optimizer, params)
        previous: Deltas = {}
    else:
        params, buffers, previous = (
            _to(_together([getattr(state, name) for state in states]), device, dtype)
            for name in ("params", "buffers", "previous")
        )
        optimizer = {
            name: _to(_together([state.optimizer[name] for state in states]), device, dtype)
            for name in states[0].optimizer
        }
    streams = [of.run for of in generators]
    batches = Batches(
        dataset.train.to(config.device),
        config.batch_size,
        streams if len(streams) > 1 else streams[0],
    )
    if states is not None:
        batches.restore([of for state in states for of in state.generators], states[0].used)
    run = Training(
        tuple(configs),
        net,
        chosen,
        other,
        batches,
        0 if states is None else states[0].step,
        params,
        buffers,
        optimizer,
        previous,
    )
    if config.compile:
        assert isinstance(chosen, Manual)
        own = state_of(run, 0, 0, 0.0)
        compiled.prepare(config, net, chosen, compiled.Made(own.params, own.optimizer, own.buffers))
    return run


def _together(runs: Sequence[Params]) -> Params:
    return stack(runs) if len(runs) > 1 else runs[0]


def params_of(run: Training, replica: int) -> Params:
    """Of one run of a stack, as views; of a single run, itself."""
    return unstack(run.params, replica) if len(run.configs) > 1 else run.params


def buffers_of(run: Training, replica: int) -> Buffers:
    """Of one run of a stack, as views; of a single run, itself."""
    return unstack(run.buffers, replica) if len(run.configs) > 1 else run.buffers


def without(run: Training, gone: Container[int], dataset: Dataset) -> Training:
    """The other runs of a stack, between two steps, as if these had never been in it."""
    kept = [replica for replica in range(len(run.configs)) if replica not in gone]
    states = [state_of(run, replica, 0, 0.0) for replica in kept]
    return begin_together([run.configs[replica] for replica in kept], dataset, states)


def state_of(run: Training, replica: int, record: int, seconds: float) -> TrainState:
    """What a checkpoint keeps of a run, between two steps.

    Args:
        run: under way.
        replica: of the stack; 0 of a single run.
        record: bytes of the run's record.
        seconds: it took so far.
    """
    generators, used = run.batches.state()

    def own(tensors: Params) -> Params:
        # a view would be saved with the whole stack
        return copied(unstack(tensors, replica) if len(run.configs) > 1 else tensors)

    return TrainState(
        run.step,
        own(run.params),
        own(run.buffers),
        {name: own(of) for name, of in run.optimizer.items()},
        own(run.previous),
        [generators[replica]],
        used,
        record,
        seconds,
    )


def _to(tensors: Params, device: torch.device, dtype: torch.dtype) -> Params:
    return {
        node: {name: tensor.to(device, dtype) for name, tensor in named.items()}
        for node, named in tensors.items()
    }
