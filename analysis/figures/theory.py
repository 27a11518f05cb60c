"""What `ninja.theory` predicts of a run, by its configuration."""

import math
from collections.abc import Mapping
from typing import Any

from ninja.errors import TheoryError
from ninja.theory import NAMED, Prediction, Setting, predict


def setting(run: Mapping[str, Any]) -> Setting | str:
    """A run of the table as a setting of the theory; or why there is none, in words.

    Args:
        run: a row of the table of runs.
    """
    if run["status"] == "watched" or "model.n_layers" not in run:
        return "a watched training has no configuration"
    if run["model.consecutive"]:
        return "layers that fuse positions are not covered"
    if run["model.activation"] not in NAMED:
        return f"the theory of {run['model.activation']} is not known here"
    gain = float(run["gain"])
    if not math.isfinite(gain):
        return "the gain is not known"
    width = int(run["model.n_hidden"])
    scheme = run["init.scheme"]
    bias = float(run["init.bias_std"] or 0.0) if run["model.bias"] else 0.0
    return Setting(
        depth=int(run["model.n_layers"]),
        weight_variance=gain**2 * (width if scheme == "raw" else 1),
        activation=str(run["model.activation"]),
        bias_variance=0.0 if math.isnan(bias) else bias**2,
        norm=run["norm.name"],
        residual=bool(run["model.residual"]),
        # else it would only be asked for dead units, which takes most of the time
        batch=int(run["batch_size"]) if run["norm.name"] == "batchnorm" else None,
        bessel=bool(run["norm.bessel"]),
        width=width,
    )


def predicted(run: Mapping[str, Any]) -> Prediction | str:
    """The prediction for a run, or why there is none."""
    found = setting(run)
    if isinstance(found, str):
        return found
    try:
        return predict(found)
    except TheoryError as error:
        return str(error)
