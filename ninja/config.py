"""What a network is made from: typed, immutable, checked across its fields.

A wrong value raises `ConfigError` with one line that names the key, what was given and what would
be right.
"""

from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from fractions import Fraction
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ninja.errors import ConfigError, nearest
from ninja.init import Scheme
from ninja.rules import activations


@dataclass(frozen=True)
class ModelConfig:
    """The layers.

    Attributes:
        n_embd: width of the embedding.
        n_hidden: width of the hidden layers.
        n_layers: number of hidden layers.
        activation: name of the hidden layers' activation.
        residual: add each hidden layer, from the second on, to its input.
        bias: give the hidden linear layers a bias.
        consecutive: how many positions each layer fuses: 0 for all of them before the first layer
            (parts 3 and 4), 2 for pairs level by level (part 5).
    """

    n_embd: int = 10
    n_hidden: int = 200
    n_layers: int = 1
    activation: str = "tanh"
    residual: bool = False
    bias: bool = True
    consecutive: int = 0


@dataclass(frozen=True)
class InitConfig:
    """The first values of the parameters.

    Attributes:
        scheme: of the hidden weights.
        gain: of the hidden weights: a number, a fraction ("5/3") or an activation's name.
        bias_std: standard deviation of every bias of a linear layer; none for zeros that draw
            nothing, while 0.0 draws and multiplies by 0, as the lecture does in part 3.
        output_scheme: of the last linear layer's weight.
        output_scale: gain of the output: of the last γ if there is a norm after the last linear
            layer, of that layer's weight otherwise.
        norm_std: standard deviation of the noise on γ (around 1) and β (around 0).
    """

    scheme: Scheme = "kaiming"
    gain: float | str = "5/3"
    bias_std: float | None = None
    output_scheme: Scheme = "kaiming"
    output_scale: float = 1.0
    norm_std: float = 0.0


@dataclass(frozen=True)
class NormConfig:
    """The normalisation between a hidden linear layer and its activation.

    Attributes:
        name: which one.
        affine: train a γ, and a β where there is one.
        eps: added to the variance.
        momentum: weight of the newest batch in BatchNorm's running statistics.
        bessel: BatchNorm divides the batch's variance by n − 1 and not by n.
        running_bessel: the same for the running variance.
        running: what BatchNorm keeps for evaluation, the variance or the standard deviation.
        output: also normalise after the last linear layer, as the six-layer network of part 3.
    """

    name: Literal["none", "batchnorm", "layernorm", "rmsnorm"] = "batchnorm"
    affine: bool = True
    eps: float = 1e-5
    momentum: float = 0.001
    bessel: bool = True
    running_bessel: bool = True
    running: Literal["var", "std"] = "var"
    output: bool = False


@dataclass(frozen=True)
class NetworkConfig:
    """A network and the contexts it reads."""

    block_size: int = field(default=3, metadata={"key": "data.block_size"})
    model: ModelConfig = field(default_factory=ModelConfig)
    init: InitConfig = field(default_factory=InitConfig)
    norm: NormConfig = field(default_factory=NormConfig)


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
