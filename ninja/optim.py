"""The update, by hand: no `torch.optim`, no `optimizer.step()`.

Learning rate, clipping, and SGD and AdamW with torch's formulas, operation by operation, so that
they have torch's bits. ``torch._foreach_*`` is what `torch.optim` itself is made of: one call for
the whole network.
"""
# pyright: reportPrivateImportUsage=none

from collections.abc import Sequence

import torch
from torch import Tensor

from ninja.config import OptimizerConfig
from ninja.types import Deltas, Params

State = dict[str, Params]
"""What an optimiser remembers, by torch's name for it: tensors with the keys and shapes of the
parameters. Plain dictionaries, so that a checkpoint holds it and `unstack` takes one run out.
"""


def learning_rate(config: OptimizerConfig, step: int) -> float:
    """The rate at a step: lr times the factor of the last boundary that the step has reached.

    Steps count from 0 over the whole run; before the first boundary the factor is 1.
    """
    reached = [pair for pair in config.lr_schedule if pair[0] <= step]
    return config.lr * (max(reached)[1] if reached else 1.0)


def grad_norm(params: Params, deltas: Deltas, lead: int) -> Tensor:
    """The norm of the whole gradient, per replica: that of the norms of the parameters' deltas.

    In this order, and over dimensions without flattening, it has the bits of
    `torch.nn.utils.clip_grad_norm_` for a single run, and of the run alone in a stack.

    Args:
        params: names the tensors to measure.
        deltas: may hold more than the parameters'.
        lead: number of leading replica dimensions, `Trace.loss.dim()`.

    Returns:
        One value per replica, (...).
    """
    grads = _of(params, deltas)
    with torch.no_grad():
        # Another dimension, of 1, for parameters of no dimension: reducing over none reduces all.
        norms = (
            [
                torch.linalg.vector_norm(grad.unsqueeze(-1), dim=tuple(range(lead, grad.dim() + 1)))
                for grad in grads
            ]
            if lead
            else torch._foreach_norm(grads)  # half the time
        )
        return torch.linalg.vector_norm(torch.stack(tuple(norms), -1), dim=-1)


def clipped(
    params: Params, deltas: Deltas, limit: float | Tensor, lead: int
) -> tuple[Deltas, Tensor]:
    """The parameters' deltas with each replica's gradient scaled down to a norm of ``limit``.

    The formula is that of `torch.nn.utils.clip_grad_norm_`, for every replica by its own norm: a
    gradient that is not finite turns into NaN and 0, as torch's does, and no other changes. Pure,
    because the deltas of an engine by hand are inference tensors, which cannot be changed.

    Args:
        params: names the tensors to measure and to clip.
        deltas: may hold more than the parameters'; what else they hold is not returned.
        limit: largest norm; or one per replica, (...).
        lead: number of leading replica dimensions, `Trace.loss.dim()`.

    Returns:
        The parameters' deltas, clipped, and the norm before clipping, (...).
    """
    norm = grad_norm(params, deltas, lead)
    with torch.no_grad():
        limit = limit.to(norm) if isinstance(limit, Tensor) else limit
        # torch divides a number by a tensor so, in two roundings; a limit per replica must, too
        coefficient = ((norm + 1e-6).reciprocal() * limit).clamp(max=1.0)
        grads = _of(params, deltas)
        values = iter(torch._foreach_mul(grads, _spread(coefficient, grads)))
    return {node: {key: next(values) for key in own} for node, own in params.items()}, norm


def start(config: OptimizerConfig, params: Params) -> State:
    """What the optimiser remembers before the first step: zeros, or nothing for plain SGD."""
    if config.name == "adamw":
        names = ["exp_avg", "exp_avg_sq"]
    else:
        names = ["momentum_buffer"] if config.momentum else []
    return {
        name: {
            node: {key: torch.zeros_like(tensor) for key, tensor in own.items()}
            for node, own in params.items()
        }
        for name in names
    }


def update_(
    config: OptimizerConfig,
    params: Params,
    deltas: Deltas,
    state: State,
    lr: float | Tensor,
    step: int | Tensor,
) -> None:
    """One step of the optimiser that the config names. Changes ``params`` and ``state`` in place.

    Args:
        config: name, momentum, betas, eps and weight decay. Its lr and its clip are not read.
        params: to be updated.
        deltas: may hold more than the parameters'.
        state: as `start` made it and the earlier steps left it.
        lr: `learning_rate`; or one per replica, (...), in float64, so that each is the very number
            that the run alone would be given.
        step: from 0, counted since `start`; or as a tensor, (), in float64.
    """
    if config.name == "adamw":
        _adamw_(config, params, deltas, state, lr, step)
    elif config.momentum:
        _momentum_(config, params, deltas, state, lr)
    else:
        sgd_(params, deltas, lr)


def directions(
    config: OptimizerConfig, deltas: Deltas, state: State, before: Params | None, params: Params
) -> Deltas:
    """Which way the last update went: it was these times the learning rate, but for its sign.

    AdamW's were not, its decay goes with the weights themselves: they are times 1.

    Args:
        config: name and momentum.
        deltas: that `update_` was given.
        state: as it left it.
        before: the parameters before the update; only AdamW needs them.
        params: after it.
    """
    if before is None:
        return state["momentum_buffer"] if config.momentum else deltas
    with torch.no_grad():
        return {
            node: {key: tensor - before[node][key] for key, tensor in own.items()}
            for node, own in params.items()
        }


def sgd_(params: Params, deltas: Deltas, lr: float | Tensor) -> None:
    """p ← p − lr·∂loss/∂p for every parameter, in place; lr may be one per replica, (...)."""
    with torch.no_grad():
        _descend_(_of(params, params), _of(params, deltas), lr)


def _momentum_(
    config: OptimizerConfig, params: Params, deltas: Deltas, state: State, lr: float | Tensor
) -> None:
    """b ← momentum·b + g; p ← p − lr·b. With b = 0 before the first step, b is then g."""
    buffers = _of(params, state["momentum_buffer"])
    with torch.no_grad():
        torch._foreach_mul_(buffers, config.momentum)
        torch._foreach_add_(buffers, _of(params, deltas))
        _descend_(_of(params, params), buffers, lr)


def _adamw_(
    config: OptimizerConfig,
    params: Params,
    deltas: Deltas,
    state: State,
    lr: float | Tensor,
    step: int | Tensor,
) -> None:
    """AdamW, with t = step + 1 (Loshchilov & Hutter 2019).

    p ← (1 − lr·decay)·p, decoupled from the gradient g
    m ← β₁m + (1 − β₁)g
    v ← β₂v + (1 − β₂)g²
    p ← p − lr/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + eps)
    """
    beta1, beta2 = config.betas
    targets, grads = _of(params, params), _of(params, deltas)
    means, squares = _of(params, state["exp_avg"]), _of(params, state["exp_avg_sq"])
    with torch.no_grad():
        if config.weight_decay:
            decay = 1 - lr * config.weight_decay
            torch._foreach_mul_(
                targets, _spread(decay, targets) if isinstance(decay, Tensor) else decay
            )
        torch._foreach_lerp_(means, grads, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, grads, grads, 1 - beta2)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, (1 - beta2 ** (step + 1)) ** 0.5)
        torch._foreach_add_(roots, config.eps)
        rate = -lr / (1 - beta1 ** (step + 1))
        if isinstance(rate, Tensor):  # addcdiv rounds value·m before it divides, too
            scaled = torch._foreach_mul(means, _spread(rate, means))
            torch._foreach_addcdiv_(targets, scaled, roots)
        else:
            torch._foreach_addcdiv_(targets, means, roots, rate)


def _descend_(targets: list[Tensor], directions: list[Tensor], lr: float | Tensor) -> None:
    """t ← t − lr·d, multiplied and added with one rounding in either form."""
    if isinstance(lr, Tensor):
        torch._foreach_addcmul_(targets, directions, _spread(-lr, targets))
    else:
        torch._foreach_add_(targets, directions, alpha=-lr)


def _of(params: Params, tensors: Params | Deltas) -> list[Tensor]:
    """The tensors that have a parameter's keys, in the parameters' order."""
    return [tensors[node][key] for node, own in params.items() for key in own]


def _spread(values: Tensor, over: Sequence[Tensor]) -> list[Tensor]:
    """A value per replica, (...), for each tensor: in its dtype, shaped to broadcast over it."""
    return [
        values.to(tensor).reshape(values.shape + (1,) * (tensor.dim() - values.dim()))
        for tensor in over
    ]
