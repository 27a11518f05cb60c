"""One training step, as the probes are given it: of any network, engine, dtype and stack."""

from dataclasses import replace

import torch
from torch import Generator, Tensor

from ninja.config import InitConfig, ModelConfig, NetworkConfig, NormConfig
from ninja.engines import engine
from ninja.init import Generators
from ninja.net import Net, draw
from ninja.networks import PRESETS, build, with_hidden
from ninja.optim import sgd_
from ninja.probes import Snapshot, copied
from ninja.replicas import stack
from ninja.types import Batch, Params, Trace

VOCAB, ROWS, REPLICAS, LR = 7, 6, 3, 0.1
ENGINES = ("autograd", "manual_atomic", "manual_fused")
DTYPES = (torch.float32, torch.float64)


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


def taken(
    net: Net, params: Params, batch: Batch, backward: str = "manual_fused", lr: float = LR
) -> Snapshot:
    """The step that these parameters take on this batch; they are changed by it."""
    chosen = engine(backward)
    before = copied(params)
    trace = net.forward(params, batch, graph=chosen.graph)
    deltas = chosen(net, trace, watch="all").deltas
    sgd_(params, deltas, lr)
    return Snapshot(net, trace, deltas, before, params, 0, trace.loss.dim())


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

    trace = snapshot.trace
    return replace(
        snapshot,
        trace=Trace(trace.loss[replica], own(trace.saved), own(trace.bound)),
        deltas=own(snapshot.deltas),
        params_before=own(snapshot.params_before),
        params_after=own(snapshot.params_after),
        lead=0,
    )


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=Generator().manual_seed(seed), dtype=dtype)
