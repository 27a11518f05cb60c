"""The step that nobody looks at, through `torch.compile`: what it meets on its way is not kept.

Forward, backward by hand, clipping, update and running statistics become a few loops of C++ between
the matrix products. Torch keeps the code on disk for other processes (``TORCHINDUCTOR_CACHE_DIR``).

One code serves stacks of every size, so that the bits of a run depend neither on who is trained
with it nor on who had the code made. Without the leading dimension there would be another, with
other bits: a single run is therefore trained as a stack of itself twice.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from ninja import compiler
from ninja.config import OptimizerConfig, RunConfig
from ninja.engines import Manual
from ninja.errors import RunError
from ninja.net import Net
from ninja.optim import State, clipped, update_
from ninja.probes import copied
from ninja.types import Batch, Buffers, Params, Shape

SHAPES = 1 << 16
"""Of so many shapes a process may train stacks; torch would stop at eight."""


class Made(NamedTuple):
    """What a step makes anew, as in a `ninja.train.Training`."""

    params: Params
    optimizer: State
    buffers: Buffers


def plain_step(
    net: Net,
    engine: Manual,
    config: OptimizerConfig,
    run: Made,
    batch: Batch,
    lr: Tensor,
    limit: Tensor | None,
    number: Tensor,
) -> tuple[Tensor, Made]:
    """What is compiled. Pure; the numbers are tensors, for others would be compiled in.

    Args:
        net: of the runs.
        engine: by hand.
        config: of the update.
        run: before the step.
        batch: of it.
        lr: (R,), float64.
        limit: of the gradients' norms, (R,), float64; none for no clipping.
        number: of the step, (), float64.

    Returns:
        The losses, (R,), and what the step has made.
    """
    trace = net.traced(run.params, batch)
    deltas = engine.pulled(net, trace)
    if limit is not None:
        deltas, _ = clipped(run.params, deltas, limit, trace.loss.dim())
    params = copied(run.params)  # costs nothing: the loops of the update write somewhere else
    optimizer = {name: copied(of) for name, of in run.optimizer.items()}
    update_(config, params, deltas, optimizer, lr, number)
    return trace.loss, Made(params, optimizer, net.running(run.buffers, trace))


@cache
def _compiled() -> Callable[..., tuple[Tensor, Made]]:
    return torch.compile(plain_step, fullgraph=True, dynamic=False)


def step(
    net: Net,
    engine: Manual,
    config: OptimizerConfig,
    run: Made,
    batch: Batch,
    lr: float | Tensor,
    limit: float | Tensor | None,
    number: int,
) -> tuple[Tensor, Made]:
    """`plain_step`, compiled; also of a single run, whose loss is (). One number is everyone's."""
    with torch.no_grad():
        inputs = _inputs(run, batch, lr, limit, number)
        made = _compiled()(net, engine, config, *inputs)
    return made if batch.targets.dim() > 1 else tree_map_only(Tensor, _first, made)


def _inputs(
    run: Made, batch: Batch, lr: float | Tensor, limit: float | Tensor | None, number: int
) -> tuple[Any, ...]:
    lead = batch.targets.shape[:-1]
    inputs = (run, batch, _each(lr, lead), None if limit is None else _each(limit, lead))
    at = torch.tensor(float(number), dtype=torch.float64)
    return (*(inputs if lead else tree_map_only(Tensor, _twice, inputs)), at)


def _each(value: float | Tensor, lead: Shape) -> Tensor:
    made = isinstance(value, Tensor)
    return value if made else torch.full(lead, value, dtype=torch.float64)


def _twice(tensor: Tensor) -> Tensor:
    return torch.stack([tensor, tensor])


def _first(tensor: Tensor) -> Tensor:
    return tensor[0]


def prepare(config: RunConfig, net: Net, engine: Manual, run: Made) -> None:
    """Have the code made, or fetched from the disk, so that no step waits for it.

    Always by a stack of two: what the compiler chooses by the size is then always the same.

    Args:
        config: of the runs.
        net: of the runs.
        engine: by hand.
        run: a single one.

    Raises:
        RunError: there is no compiler, or it fails.
    """
    compiler.find()
    tokens = torch.zeros(config.batch_size, config.data.block_size, dtype=torch.int64)
    optimizer = config.optimizer
    inputs = _inputs(run, Batch(tokens, tokens[:, 0].clone()), optimizer.lr, optimizer.clip, 0)
    try:
        from torch._dynamo import config as tracing
        from torch._dynamo import mark_dynamic
        from torch._inductor import config as compiling

        tree_map_only(Tensor, lambda tensor: mark_dynamic(tensor, 0), inputs[:-1])
        with (
            torch.no_grad(),
            tracing.patch(recompile_limit=SHAPES, accumulated_recompile_limit=SHAPES),
            compiling.patch(compile_threads=config.threads),
        ):
            _compiled()(net, engine, optimizer, *inputs)
    except (OSError, RuntimeError) as error:  # all that torch raises of compiling are the latter
        why = compiler.fault(error)
        raise RunError(f"compile: {why}; mend that, or give compile=false") from error
