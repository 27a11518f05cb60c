"""What to change: an override of `run.py` for one of our runs, a line of PyTorch for any other."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ninja.diagnosis.finding import About, Finding, Kind
from ninja.diagnosis.history import History
from ninja.diagnosis.updates import LEFT_OUT, power
from ninja.number import number

GOOD_UPDATE = -2.3
"""Where a learning rate is sent whose updates are too large or too small: log10(std(Δw)/std(w)) of
the median matrix. A run's first updates are larger than those of a trained one, −3."""

USUAL = {"sgd": 0.1, "adamw": 0.003}
"""Learning rates that small networks learn at."""

LARGE_BIAS = 0.5
"""A deviation of biases that fills the range of a saturating activation by itself."""

GAINS = {"tanh": 5 / 3, "relu": 2**0.5, "leaky_relu": 2**0.5, "identity": 1.0}
"""Of activations that keep the scale of a signal at this gain; with another one a norm must."""

SCALE = 0.1
"""Of an output layer whose first loss is close to ln C."""

BEFORE = "# before the first step"
"""What makes first values anew would undo the training of a model that has one."""

ALL = f"for p in model.parameters(): p.dim() > 1 and torch.nn.init.kaiming_normal_(p)  {BEFORE}"
"""Gains of √2: what goes wrong from layer to layer is mended in each of them."""

XAVIER = "torch.nn.init.xavier_normal_({layer}.weight, gain=5 / 3)"

NORMS = (
    "for m in [*model.modules()]: [m.register_module(name, "
    "torch.nn.Sequential(torch.nn.LazyBatchNorm1d(), of)) for name, of in [*m.named_children()] "
    "if isinstance(of, torch.nn.Sigmoid)]  # before the optimizer is made; 2d of images"
)
"""A norm before each sigmoid, whose slope is a quarter at most: no gain keeps what goes back."""

LINES: dict[Kind, str] = {
    "wrong gradient": "ninja.check_backward({layer}, inputs)  # names the first wrong tensor",
    "symmetric": f"torch.nn.init.kaiming_normal_({{layer}}.weight)  {BEFORE}",
    "dead": f"torch.nn.init.zeros_({{layer}}.bias)  {BEFORE}; and a smaller rate, or LeakyReLU",
    "saturated": f"{XAVIER}  {BEFORE}, or a norm after it",
    "exploding": f"{ALL}, or a norm after each layer",
    "vanishing": f"{ALL}, or a norm after each layer",
    "linear": f"{XAVIER}  {BEFORE}, or a norm after it",
    "overconfident": f"{{layer}}.weight.data.mul_({{scale:.2g}})  {BEFORE}",
    "mismatch": "torch.optim.swa_utils.update_bn(loader, model)  # or a larger momentum",
}
"""Where it is a matter of PyTorch. The learning rate's are made of what was measured."""


def fix(finding: Finding, history: History, about: About) -> str:
    """What to change.

    Args:
        finding: without one.
        history: of the run.
        about: its config decides which of the two forms it takes.
    """
    if finding.kind in ("diverged", "unstable", "stalled"):
        if finding.evidence[0].name == LEFT_OUT:
            return (
                f"optimizer.add_param_group({{'params': "
                f"model.get_submodule({finding.layer!r}).parameters()}})"
            )
        factor = _factor(finding, history)
        if about.config is None:
            return _rate(factor)
        optimizer = about.config["optimizer"]
        lr = optimizer["lr"] * factor
        if finding.kind == "diverged":  # its updates may say nothing any more
            lr = min(lr, USUAL[optimizer["name"]])
        return f"optimizer.lr={lr:.2g}"
    if about.config is None:
        return _line(finding, history)
    return _override(finding, history, about.config)


def _line(finding: Finding, history: History) -> str:
    """Of PyTorch, which runs where ``model`` and ``optimizer`` are."""
    kind, layer = finding.kind, finding.layer
    if kind == "dead" and _killed(finding, history):
        return _rate(_smaller(history))
    if kind == "overconfident" and history.matrices:
        layer = history.matrices[-1].rpartition(".")[0]
    if kind == "vanishing" and any(unit.rule == "sigmoid" for unit in history.units):
        return NORMS
    at = f"model.get_submodule({layer!r})" if layer else "model"
    biased = f"{layer}.bias" in history.parameters
    if kind == "dead" and not biased:
        return f"torch.nn.init.kaiming_normal_({at}.weight)  {BEFORE}; and a smaller rate"
    value = finding.evidence[0].value
    scale = min(SCALE, 1 / value) if kind == "overconfident" and value else SCALE
    zeros = f"torch.nn.init.zeros_({at}.bias); " if kind == "saturated" and biased else ""
    return zeros + LINES[kind].format(layer=at, scale=scale)


def _rate(factor: float) -> str:
    return f"for group in optimizer.param_groups: group['lr'] *= {factor:.2g}"


def _override(finding: Finding, history: History, config: Mapping[str, Any]) -> str:
    kind, norm = finding.kind, config["norm"]["name"]
    activation = config["model"]["activation"]
    nominal = GAINS.get(activation)
    branches = norm == "none" and config["model"]["residual"]  # that no norm keeps in size
    if kind == "wrong gradient":
        by_hand = config["backward"] != "autograd"
        return f"backward={'autograd' if by_hand else 'manual_fused'}"
    if kind == "symmetric":
        gain = _branch(config) if branches else (activation if nominal else 1)
        return f"init.scheme=kaiming init.gain={gain}"
    if kind == "overconfident":
        return f"init.output_scale={min(SCALE, config['init']['output_scale'] / 10):g}"
    if kind == "mismatch":
        return "norm.calibrate=true"
    if kind == "dead" and _killed(finding, history):
        optimizer = config["optimizer"]
        factor = min([_smaller(history), *_later(optimizer)])
        return f"optimizer.lr={optimizer['lr'] * factor:.2g} optimizer.lr_schedule=[]"
    if kind == "saturated" and (config["init"]["bias_std"] or 0) > LARGE_BIAS:
        return "init.bias_std=0"
    if branches and kind in ("exploding", "saturated"):
        return f"init.gain={_branch(config)}"
    if norm == "none":
        gain, smaller = _gain(config), kind in ("vanishing", "linear")
        if nominal and (gain < nominal / 1.6 if smaller else gain > nominal * 1.15):
            return f"init.gain={activation}"
        return "norm=batchnorm"
    if kind in ("dead", "linear", "saturated") and config["norm"]["affine"]:
        return "norm.affine=false"
    return "norm=layernorm" if norm == "batchnorm" else "norm=batchnorm"


def _gain(config: Mapping[str, Any]) -> float:
    gain = config["init"]["gain"]
    value = number(gain)
    return GAINS.get(gain, 1.0) if value is None else value


def _branch(config: Mapping[str, Any]) -> str:
    """The gain of a residual network's branches that keeps the signal's size.

    Each branch adds gain²/2 of the mean square: all of them together as much as there was.
    """
    return f"{(2 / max(config['model']['n_layers'], 1)) ** 0.5:.2g}"


def _killed(finding: Finding, history: History) -> bool:
    """Whether it lived at first, and a large update came before its death."""
    return (finding.step or 0) > 0 and max(_first(history), default=0.0) > -1


def _later(optimizer: Mapping[str, Any]) -> list[float]:
    return [float(factor) for _, factor in optimizer["lr_schedule"]]


def _first(history: History) -> list[float]:
    """The update of the median matrix at each of the first looks that saw one."""
    looks = history.moves["update_ratio"][:3]
    finite = np.where(np.isfinite(looks), looks, np.nan)
    return [float(np.nanmedian(row)) for row in finite if not np.isnan(row).all()]


def _smaller(history: History) -> float:
    """By the first update alone: what it does to the loss makes the next ones larger."""
    first = next(iter(_first(history)), 0.0)
    return min(1 / 3, power(GOOD_UPDATE - first))


def _factor(finding: Finding, history: History) -> float:
    """By which to multiply the learning rate."""
    if finding.kind == "stalled":
        value = finding.evidence[0].value
        return power(GOOD_UPDATE - value) if value is not None else 1e3
    return _smaller(history)
