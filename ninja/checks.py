"""Refuse what cannot be: a type, a name, a range, or two keys that contradict each other.

Every refusal is a `ConfigError` of one line that names the key, what was given and what would be
right.
"""

from contextlib import suppress
from fractions import Fraction

from ninja.config import NetworkConfig, RunConfig
from ninja.errors import ConfigError, nearest
from ninja.init import check_seed
from ninja.rules import activations
from ninja.schema import check_types


def gain_value(gain: float | str) -> float:
    """The number behind a gain: 1.5, "5/3" or an activation's name (`Activation.gain`).

    Raises:
        ConfigError: none of these, or not a finite number above or at zero.
    """
    known = activations()
    if isinstance(gain, str) and gain in known:
        return known[gain].gain
    value = -1.0
    if type(gain) in (int, float, str):  # not a bool, which is an int
        with suppress(ValueError, ZeroDivisionError, OverflowError):
            value = float(Fraction(gain))
    if value < 0:
        raise ConfigError(
            f"init.gain: {gain!r} is not a gain, give a number ≥ 0, a fraction such as 5/3, "
            f"or one of {', '.join(sorted(known))}"
        )
    return value


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
    model, init, norm = config.model, config.init, config.norm
    _check_range("data.block_size", config.block_size, 1, 4096)
    for name in ("n_embd", "n_hidden", "n_layers"):
        _check_range(f"model.{name}", getattr(model, name), 1, 65536)
    _check_range("model.consecutive", model.consecutive, 0)
    for name in ("bias_std", "output_scale", "norm_std"):
        _check_range(f"init.{name}", getattr(init, name) or 0, 0, 1e9)
    _check_range("norm.eps", norm.eps, 0, 1)
    _check_range("norm.momentum", norm.momentum, 0, 1)
    gain_value(init.gain)
    if model.activation not in activations():
        raise ConfigError(nearest("model.activation", model.activation, activations()))
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
    check_types(config)
    check(config.network)
    check_seed(config.seed)
    optimizer, probe = config.optimizer, config.probe
    _check_range("steps", config.steps, 1)
    _check_range("threads", config.threads, 1, 256)
    _check_range("batch_size", config.batch_size, 1, 1 << 20)
    for key, value in (
        ("probe.every", probe.every),
        ("probe.gap_every", probe.gap_every),
        ("checkpoint.every", config.checkpoint.every),
        ("optimizer.lr", optimizer.lr),
        ("optimizer.eps", optimizer.eps),
        ("optimizer.weight_decay", optimizer.weight_decay),
        ("optimizer.clip", optimizer.clip or 0),
    ):
        _check_range(key, value, 0)
    for key, value in (
        ("optimizer.momentum", optimizer.momentum),
        *(("optimizer.betas", beta) for beta in optimizer.betas),
    ):
        _check_range(key, value, 0, 1)
    if max(optimizer.betas) == 1:
        raise ConfigError(
            "optimizer.betas: 1 would never forget the start, give less, such as 0.999"
        )
    for step, factor in optimizer.lr_schedule:
        _check_range("optimizer.lr_schedule", step, 0)
        _check_range(f"optimizer.lr_schedule.{step}", factor, 0)
    if optimizer.name == "adamw" and optimizer.momentum:
        raise ConfigError("optimizer.momentum: AdamW has betas in its place, set optimizer.betas")
    if config.batch_size == 1 and config.norm.name == "batchnorm":
        raise ConfigError(
            "batch_size: 1 row has no variance for norm.name=batchnorm, give 2 or more"
        )
    if not config.study or config.study in (".", "..") or "/" in config.study:
        raise ConfigError(f"study: {config.study!r} is no folder's name, give one, such as default")
