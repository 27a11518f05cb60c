"""Refuse what cannot be: a type, a name, a range, or two keys that contradict each other.

Every refusal is a `ConfigError` of one line that names the key, what was given and what would be
right.
"""

from contextlib import suppress
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ninja.config import NetworkConfig
from ninja.errors import ConfigError, nearest
from ninja.rules import activations


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


def _check_types(config: Any, prefix: str = "") -> None:
    """Every field has its declared type; an int is a good float, a bool is neither."""
    hints = get_type_hints(type(config))
    for item in fields(config):
        key = item.metadata.get("key", f"{prefix}{item.name}")
        hint, value = hints[item.name], getattr(config, item.name)
        if is_dataclass(value):
            _check_types(value, f"{key}.")
        elif get_origin(hint) is Literal:
            if value not in get_args(hint):
                raise ConfigError(nearest(key, value, get_args(hint)))
        elif key != "init.gain":  # a number or a word: `gain_value` knows
            allowed = get_args(hint) or (hint,)
            if float in allowed:
                allowed += (int,)
            if not isinstance(value, allowed) or (isinstance(value, bool) and hint is not bool):
                kind = getattr(hint, "__name__", str(hint).replace("None", "null"))
                raise ConfigError(f"{key}: {value!r} is not of type {kind}")


def _check_range(key: str, value: float, low: float, high: float = float("inf")) -> None:
    if not low <= value <= high:  # a NaN fails too
        bounds = f"at least {low:g}" if high == float("inf") else f"from {low:g} to {high:g}"
        raise ConfigError(f"{key}: {value!r} is out of range, it must be {bounds}")


def check(config: NetworkConfig) -> None:
    """Refuse what cannot be built.

    Raises:
        ConfigError: a type, a name, a range, or two keys that contradict each other.
    """
    _check_types(config)
    model, init, norm = config.model, config.init, config.norm
    _check_range("data.block_size", config.block_size, 1)
    for name in ("n_embd", "n_hidden", "n_layers"):
        _check_range(f"model.{name}", getattr(model, name), 1)
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
