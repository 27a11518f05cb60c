"""One training step, as the probes are given it: of any network, engine, dtype and stack."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Generator, Tensor

from ninja.config import (
    InitConfig,
    ModelConfig,
    NetworkConfig,
    NormConfig,
    OptimizerConfig,
    RunConfig,
)
from ninja.engines import engine
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import PRESETS, build, with_hidden
from ninja.optim import start
from ninja.probes import Block, Cell, Due, Layers, Snapshot, Values, numbers
from ninja.replicas import stack
from ninja.train import Training, train_step
from ninja.types import Batch, Params, Trace

VOCAB, ROWS, REPLICAS, LR = 7, 6, 3, 0.1
ENGINES = ("autograd", "manual_atomic", "manual_fused")
DTYPES = (torch.float32, torch.float64)
SHARES = ("saturated", "dead", "gate", "linear", "twins")


def variant(norm: str = "batchnorm", activation: str = "tanh", **model: object) -> NetworkConfig:
    return NetworkConfig(
        model=ModelConfig(n_hidden=9, n_layers=3, activation=activation, **model),
        init=InitConfig(bias_std=0.1, norm_std=0.1),
        norm=NormConfig(name=norm),
    )


CONFIGS = {
    **{name: with_hidden(config, 12) for name, config in PRESETS.items()},
    **{norm: variant(norm) for norm in ("none", "layernorm", "rmsnorm")},
    **{name: variant("none", name) for name in ("sigmoid", "relu", "leaky_relu", "gelu")},
    "identity": variant("batchnorm", "identity"),
    "residual": variant(residual=True),
    "residual without norm": variant("none", "relu", residual=True),
    "output norm": replace(variant(), norm=NormConfig(output=True)),
}


def begun(
    net: Net, params: Params, batches: Iterator[Batch], config: RunConfig | None = None
) -> Training:
    """A run of any network, or a stack of runs, on any batches; it changes the parameters."""
    config = config or RunConfig(optimizer=OptimizerConfig(lr=LR))
    chosen = engine(config.backward)
    other = engine("manual_atomic" if config.backward == "autograd" else "autograd")
    state = start(config.optimizer, params)
    return Training((config,), net, chosen, other, batches, 0, params, {}, state, {})


def looked_at(run: Training) -> Snapshot:
    """The run's next step."""
    snapshot = train_step(run, Due(look=True)).snapshot
    assert snapshot is not None
    return snapshot


def taken(net: Net, params: Params, batch: Batch, backward: str = "manual_fused") -> Snapshot:
    """The step that these parameters take on this batch; they are changed by it."""
    config = RunConfig(backward=backward, optimizer=OptimizerConfig(lr=LR))
    return looked_at(begun(net, params, iter([batch]), config))


def random_batch(config: NetworkConfig, lead: tuple[int, ...] = (), seed: int = 0) -> Batch:
    generator = Generator().manual_seed(seed)
    tokens = torch.randint(0, VOCAB, (*lead, ROWS, config.block_size), generator=generator)
    return Batch(tokens, torch.randint(0, VOCAB, (*lead, ROWS), generator=generator))


def step(
    config: NetworkConfig | str,
    backward: str = "manual_fused",
    dtype: torch.dtype = torch.float32,
    replicas: int = 0,
) -> Snapshot:
    """A first step of a single run (replicas 0) or of a stack."""
    config = CONFIGS[config] if isinstance(config, str) else config
    net = build(config, VOCAB)
    runs = [draw(net, Generators.of(seed), dtype) for seed in range(max(replicas, 1))]
    lead = (replicas,) if replicas else ()
    return taken(net, stack(runs) if replicas else runs[0], random_batch(config, lead), backward)


def parameters_only(snapshot: Snapshot) -> Snapshot:
    """The same, by an engine that was asked for the parameters' deltas alone."""
    deltas = {
        node: {key: snapshot.deltas[node][key] for key in tensors}
        for node, tensors in snapshot.params.items()
    }
    return replace(snapshot, deltas=deltas, directions=deltas)


def one_of(snapshot: Snapshot, replica: int) -> Snapshot:
    """A replica of a stack as if it had run alone: its numbers, in memory of their own."""

    def own(tensors: Params) -> Params:
        return {
            node: {
                key: tensor[replica].detach().clone()
                for key, tensor in named.items()
                if tensor.is_floating_point()
            }
            for node, named in tensors.items()
        }

    trace, deltas, rate = snapshot.trace, own(snapshot.deltas), snapshot.rate
    known = snapshot.directions is snapshot.deltas
    return Snapshot(
        snapshot.net,
        Trace(trace.loss[replica], own(trace.saved), own(trace.bound)),
        deltas,
        own(snapshot.params),
        deltas if known else own(snapshot.directions),
        rate if isinstance(rate, float) else rate[replica],
        0,
    )


Found = dict[tuple[str, str, str], Values]
"""By node, tensor and column."""


def found_in(cells: list[Cell], values: Values) -> Found:
    """Each number by its place; none may be there twice."""
    found = {tuple(cell): value for cell, value in zip(cells, values, strict=True)}
    assert len(found) == len(cells)
    return found


def of_layers(snapshot: Snapshot) -> Found:
    """A look at one step."""
    plan = Layers(snapshot)
    return found_in(plan.cells, plan(snapshot))


def of_blocks(blocks: list[Block]) -> Found:
    """Of a closer look, or of gaps."""
    return found_in([c for b in blocks for c in b.cells()], numbers(blocks)) if blocks else {}


def assert_own(together: Found, alone: list[Found], rtol: float = 1e-6, atol: float = 1e-6) -> None:
    """A stack's numbers are those of its runs: shares in every bit, the others nearly."""
    for replica, own in enumerate(alone):
        assert together.keys() == own.keys()
        for cell, value in together.items():
            assert value.shape == (len(alone),)
            if cell[2] in SHARES:
                np.testing.assert_array_equal(value[replica], own[cell], str(cell))
            np.testing.assert_allclose(value[replica], own[cell], rtol, atol, err_msg=str(cell))


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=Generator().manual_seed(seed), dtype=dtype)
