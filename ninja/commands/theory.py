"""``python -m ninja theory``."""

import argparse
import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ninja.checks import gain_value
from ninja.commands import console, positive
from ninja.errors import ConfigError

if TYPE_CHECKING:
    from ninja.theory import Layer, Prediction, Setting

ROWS = 40


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "theory", help="predict lengths, gradients and units of a network, layer by layer"
    )
    parser.set_defaults(run=run)
    parser.add_argument("--gain", type=_gain, default="5/3", help="of the weights, √σw² (5/3)")
    parser.add_argument("--activation", default="tanh", metavar="NAME", help="of layers (tanh)")
    parser.add_argument("--depth", type=positive, metavar="L", default=20, help="layers (20)")
    parser.add_argument("--bias-std", type=_size, metavar="STD", default=0.0, help="of biases (0)")
    parser.add_argument("--norm", default="none", help="none (the default), batchnorm, …")
    parser.add_argument("--residual", action="store_true", help="add each layer to its input")
    parser.add_argument(
        "--batch", type=positive, metavar="B", help="examples: BatchNorm, dead units"
    )
    parser.add_argument("--width", type=positive, metavar="N", help="units (infinitely many)")
    parser.add_argument(
        "--input-variance", type=_size, metavar="VAR", default=1.0, help="mean square input (1)"
    )
    parser.add_argument("--json", action="store_true", help="print an object, not a table")


LARGEST = 1e75
"""Of what is squared twice."""


def _gain(text: str) -> float:
    try:
        return _small(text, gain_value(text))
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("init.gain: ")) from error


def _small(text: str, value: float) -> float:
    if value > LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is beyond what is computed, {LARGEST:g}")
    return value


def _size(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number from 0 on")
    return _small(text, value)


def run(options: argparse.Namespace) -> int:
    """Exit code 0; what no theory covers is a fault of the input."""
    from ninja.theory import Setting, predict

    setting = Setting(
        depth=options.depth,
        weight_variance=options.gain**2,
        activation=options.activation,
        bias_variance=options.bias_std**2,
        norm=options.norm,
        residual=options.residual,
        batch=options.batch,
        width=options.width,
        input_variance=options.input_variance,
    )
    found = predict(setting)
    if options.json:
        print(json.dumps(_object(setting, found), indent=1))
    else:
        _print(setting, found)
    return 0


def _object(setting: "Setting", found: "Prediction") -> dict[str, Any]:
    """As plain data; JSON knows no infinity: ξ is null at χ = 1, which says it."""
    plain = asdict(found)
    if found.depth_scale is not None and not math.isfinite(found.depth_scale):
        plain["depth_scale"] = None
    return {"setting": asdict(setting), **plain}


def _print(setting: "Setting", found: "Prediction") -> None:
    from rich.table import Table

    out = console()
    norm = "" if setting.norm == "none" else f", {setting.norm}"
    sums = ", residual" if setting.residual else ""
    out.print(
        f"[bold]{setting.depth} layers of {setting.activation}[/bold]{norm}{sums}, "
        f"σw² = {setting.weight_variance:.5g}, σb² = {setting.bias_variance:.5g}"
    )
    table = Table()
    for name in ("layer", "q", "χ", "delta"):
        table.add_column(name, justify="right")
    shares = [name for name in ("saturated", "dead") if getattr(found.layers[0], name) is not None]
    for name in shares:
        table.add_column(f"{name} %", justify="right")
    for layer in _shown(found.layers):
        cells = [f"{layer.q:.5g}", f"{layer.chi:.5f}", f"{layer.delta:+.3f}"]
        table.add_row(str(layer.layer), *cells, *(f"{100 * getattr(layer, s):.2f}" for s in shares))
    out.print(table)
    out.print("q: variance of what the activation is given; χ: |δ|² over that of the layer above")
    out.print("delta: log10 of the RMS of ∂loss/∂(pre-activation), against the last layer")
    for line in _lines(found):
        out.print(line, markup=False)


def _shown(layers: "tuple[Layer, ...]") -> "list[Layer]":
    """All, or as many as a screen has room for, spread over the depth."""
    last = len(layers) - 1
    count = min(len(layers), ROWS)
    return [layers[round(index * last / max(count - 1, 1))] for index in range(count)]


def _lines(found: "Prediction") -> list[str]:
    said: list[str] = []
    if found.q is not None and found.chi is not None and found.depth_scale is not None:
        scale = found.depth_scale
        does = "shrinks" if scale > 0 else "grows"
        e = "keeps its size" if math.isinf(scale) else f"{does} by e in {abs(scale):.4g} layers"
        said.append(f"deep inside: q = {found.q:.5g}, χ = {found.chi:.5f}: |δ|² {e}")
    if found.critical_weight_variance is not None:
        gain = math.sqrt(found.critical_weight_variance)
        said.append(f"critical: σw² = {found.critical_weight_variance:.5f}, a gain of {gain:.5f}")
    return said + [f"caveat: {caveat}" for caveat in found.caveats]
