"""Refuse what cannot be: a type, a name, a range, or two keys that contradict each other.

Every refusal is a `ConfigError` of one line that names the key, what was given and what would be
right.
"""

import os
from contextlib import suppress
from math import isqrt
from pathlib import Path

from ninja.config import NetworkConfig, OptimizerConfig, RunConfig, WandbConfig
from ninja.errors import ConfigError, nearest
from ninja.number import number
from ninja.schema import check_seed, check_types

# What is only known with torch is imported where it is asked for: most configurations need none of
# it, and a sweep checks thousands while its workers load it.

SHIPPED = ("tanh", "relu", "leaky_relu", "gelu", "sigmoid", "identity")
"""Activations that need not be looked up."""

_HUGE = 1e9  # beyond it a float32 is soon infinite
_REFUSED_BY_WANDB = "/\\#?%:"


def gain_value(gain: float | str) -> float:
    """The number behind a gain: 1.5, "5/3" or an activation's name (`Activation.gain`).

    Raises:
        ConfigError: none of these, or not a finite number above or at zero.
    """
    value = number(gain) if type(gain) in (int, float, str) else None  # not a bool, which is an int
    if value is not None and value >= 0:
        return value
    from ninja.rules import activations

    known = activations()
    if isinstance(gain, str) and gain in known:
        return known[gain].gain
    raise ConfigError(
        f"init.gain: {gain!r} is not a gain, give a number ≥ 0, a fraction such as 5/3, "
        f"or one of {', '.join(sorted(known))}"
    )


def _check_range(key: str, value: float, low: float, high: float = float("inf")) -> None:
    if not low <= value <= high:  # a NaN fails too
        bounds = f"at least {low:g}" if high == float("inf") else f"from {low:g} to {high:g}"
        raise ConfigError(f"{key}: {value!r} is out of range, it must be {bounds}")


def check(config: NetworkConfig) -> None:
    """Refuse what cannot be built.

    Raises:
        ConfigError: a type, a name, a range, or two keys that contradict each other.
    """
    check_types(config)
    _check_sizes(config)
    _check_names(config)


def _check_names(config: NetworkConfig) -> None:
    """What torch knows, unless it is one of those that need not be looked up."""
    gain_value(config.init.gain)
    if config.model.activation in SHIPPED:
        return
    from ninja.rules import activations

    if config.model.activation not in activations():
        raise ConfigError(nearest("model.activation", config.model.activation, activations()))


def _check_sizes(config: NetworkConfig) -> None:
    model, init, norm = config.model, config.init, config.norm
    _check_range("data.block_size", config.block_size, 1, 4096)
    for name in ("n_embd", "n_hidden", "n_layers"):
        _check_range(f"model.{name}", getattr(model, name), 1, 65536)
    _check_range("model.consecutive", model.consecutive, 0, 4096)
    for name in ("bias_std", "output_scale", "norm_std"):
        _check_range(f"init.{name}", getattr(init, name) or 0, 0, _HUGE)
    _check_range("norm.eps", norm.eps, 0, 1)
    _check_range("norm.momentum", norm.momentum, 0, 1)
    if model.consecutive == 1 or (
        model.consecutive and config.block_size != model.consecutive**model.n_layers
    ):
        raise ConfigError(
            f"model.consecutive: {model.consecutive} positions fused in each of "
            f"{model.n_layers} layers need data.block_size = "
            f"{max(model.consecutive, 2)}^{model.n_layers}, not {config.block_size}"
        )
    if model.residual and model.consecutive:
        raise ConfigError(
            "model.residual: a layer that fuses positions (model.consecutive) "
            "changes the shape and cannot be added to its input"
        )
    if norm.output and norm.name == "none":
        raise ConfigError("norm.output: norm.name=none leaves nothing to put after the output")


def check_run(config: RunConfig) -> None:
    """Refuse what cannot be run.

    Raises:
        ConfigError: a type, a name, a range, or two keys that contradict each other.
    """
    check_keys(config)
    _check_names(config.network)
    if config.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ConfigError("device: there is no CUDA device here, use device=cpu")


def check_keys(config: RunConfig) -> None:
    """All of `check_run` that can be told before torch is loaded, and so before a folder is made.

    Raises:
        ConfigError: a type, a name, a range, or two keys that contradict each other.
    """
    check_values(config)
    _check_memory(config)


def check_values(config: RunConfig) -> None:
    """All of `check_keys` that is true of a configuration on any machine.

    Raises:
        ConfigError: a type, a name, a range, or two keys that contradict each other.
    """
    check_types(config)
    check_place(config)
    check_seed(config.seed)
    _check_sizes(config.network)
    _check_range("steps", config.steps, 1)
    _check_range("threads", config.threads, 1, 256)
    _check_range("batch_size", config.batch_size, 1, 1 << 20)
    _check_range("checkpoint.every", config.checkpoint.every, 0)
    _check_optimizer(config.optimizer)
    for name in ("every", "close_every", "gap_every", "val_every"):
        _check_range(f"probe.{name}", getattr(config.probe, name), 0)
    for step in config.probe.early:
        _check_range("probe.early", step, 0)
    if config.probe.on_gap == "stop" and not config.probe.gap_every:
        raise ConfigError(
            "probe.on_gap: stop needs a gap to judge, but probe.gap_every=0 never measures one: "
            "give probe.gap_every=100, or probe.on_gap=warn"
        )
    if config.batch_size == 1 and config.norm.name == "batchnorm":
        raise ConfigError(
            "batch_size: 1 row has no variance for norm.name=batchnorm, give 2 or more"
        )
    _check_recompute(config)
    _check_compile(config)
    _check_wandb(config.wandb)


def _check_recompute(config: RunConfig) -> None:
    if isinstance(config.recompute, int):
        layers = config.model.n_layers + 1
        if not 1 <= config.recompute <= layers:
            raise ConfigError(
                f"recompute: {config.recompute} segments of {layers} linear layers cannot be, "
                f"give 1 to {layers}, sqrt or none"
            )
    if config.recompute != "none" and config.compile:
        raise ConfigError(
            "recompute: a compiled step keeps no intermediates in any case, give recompute=none "
            "or compile=false"
        )


def _check_compile(config: RunConfig) -> None:
    if config.compile and config.backward == "autograd":
        raise ConfigError(
            "compile: autograd's graph is not compiled, give backward=manual_fused or "
            "backward=manual_atomic, or compile=false"
        )
    if config.compile and config.device != "cpu":
        raise ConfigError(f"compile: not on device={config.device}, give compile=false")


def check_place(config: RunConfig) -> None:
    """Refuse names that are no folder's and no file's.

    Raises:
        ConfigError: of the study, the output or the word list.
    """
    study, output, path = config.study, config.output, config.data.path
    if not study.strip() or study.startswith(".") or "/" in study or not study.isprintable():
        raise ConfigError(
            f"study: {study!r} is no folder's name, give one without '/' and without a '.' at its "
            "front, such as default"
        )
    if not output.strip() or not output.isprintable():
        raise ConfigError(f"output: {output!r} is no folder, give one, such as outputs")
    if path is not None and (not path.strip() or not path.isprintable()):
        raise ConfigError(
            f"data.path: {path!r} is no file, give a word list's, or null for the shipped one"
        )


def _check_optimizer(optimizer: OptimizerConfig) -> None:
    for name in ("lr", "eps", "weight_decay"):
        _check_range(f"optimizer.{name}", getattr(optimizer, name), 0, _HUGE)
    for key, value in (
        ("optimizer.momentum", optimizer.momentum),
        *(("optimizer.betas", beta) for beta in optimizer.betas),
    ):
        _check_range(key, value, 0, 1)
    if max(optimizer.betas) == 1:
        raise ConfigError(
            "optimizer.betas: 1 would never forget the start, give less, such as 0.999"
        )
    _check_range("optimizer.clip", optimizer.clip or 0, 0, _HUGE)
    if optimizer.clip == 0:
        raise ConfigError(
            "optimizer.clip: 0 leaves nothing of any gradient, give more, or null for no clipping"
        )
    for step, factor in optimizer.lr_schedule:
        _check_range("optimizer.lr_schedule", step, 0)
        _check_range(f"optimizer.lr_schedule.{step}", factor, 0, _HUGE)
    steps = [step for step, _ in optimizer.lr_schedule]
    if steps != sorted(set(steps)):
        shown = ", ".join(map(str, steps))
        raise ConfigError(
            f"optimizer.lr_schedule: the steps {shown} do not ascend, give each once and in order"
        )
    if optimizer.name == "adamw" and optimizer.momentum:
        raise ConfigError("optimizer.momentum: AdamW has betas in its place, set optimizer.betas")


def _check_wandb(wandb: WandbConfig) -> None:
    """The limits are W&B's own: told here, and not by its server after the run has begun."""
    _check_range("wandb.timeout", wandb.timeout, 0, 3600)
    if wandb.timeout == 0:
        raise ConfigError(
            "wandb.timeout: 0 leaves no time at all, give seconds, or tracker=disabled"
        )
    named = (("project", wandb.project), ("entity", wandb.entity), ("group", wandb.group))
    for name, value in (*named, *(("tags", tag) for tag in wandb.tags)):
        most = 64 if name == "tags" else 128
        if value is not None and not 1 <= len(value.strip()) <= len(value) <= most:
            raise ConfigError(f"wandb.{name}: {value!r} must have from 1 to {most} characters")
        if value is not None and not value.isprintable():
            raise ConfigError(f"wandb.{name}: {value!r} holds what cannot be printed, leave it out")
    if bad := sorted(set(_REFUSED_BY_WANDB) & set(wandb.project)):
        raise ConfigError(
            f"wandb.project: {wandb.project!r} holds {' '.join(bad)}, which W&B refuses in a name"
        )


def _check_memory(config: RunConfig) -> None:
    """Refuse what is sure not to fit: the system kills, without a word, what fills its memory."""
    model, rows = config.model, config.batch_size
    if config.device != "cpu":  # whose memory torch itself refuses in time
        return
    fused = model.consecutive or 1
    weights = model.n_hidden * (
        model.n_embd * (model.consecutive or config.data.block_size)
        + (model.n_layers - 1) * fused * model.n_hidden
    )
    a_layer = 4 if config.norm.name == "batchnorm" else 2
    kept = model.n_layers * a_layer
    probe = config.probe
    looked = probe.early or probe.every or probe.gap_every  # then all of a step's are there at once
    if config.recompute != "none" and not looked:
        depth = model.n_layers + 1
        segments = isqrt(depth) if config.recompute == "sqrt" else config.recompute
        kept = segments - 1 + model.n_layers // segments * a_layer
    activations = rows * (config.data.block_size * model.n_embd + kept * model.n_hidden)
    moments = 2 if config.optimizer.name == "adamw" else 0
    itemsize = 8 if config.dtype == "float64" else 4
    drawn = 64 * rows * config.data.block_size * 8  # contexts, as many steps ahead
    needed = (weights * (2 + moments) + activations) * itemsize + drawn
    there = _memory()
    if needed > there:
        raise ConfigError(
            f"model, batch_size: parameters, gradients and activations need {_gib(needed)} or "
            f"more, this machine has {_gib(there)}: give smaller sizes"
        )


def _memory() -> int:
    """Bytes that this process may fill: the machine's, or its container's."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # no such file, or "max"
        return min(physical, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return physical


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"
