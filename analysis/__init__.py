"""Analysis: pandas over the records of any number of runs. Nothing here loads torch, or trains.

In a notebook, from a clone:

>>> import analysis
>>> runs, steps, layers = analysis.load("outputs/gradient_health")
>>> runs.groupby(["norm.name", "gain"])["loss_validation"].mean()

`load` and `read` make tidy tables, `settings` says what differs between runs, `stats` gives means
and shares with their intervals. `figures` draws, `report` writes the page, `compare` two sets of
runs; `dashboard` builds W&B's.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.settings import labels, setting, varying
    from analysis.stats import Interval, difference, mean, share
    from analysis.tables import Records, Tables, load, read

__all__ = [
    "Interval",
    "Records",
    "Tables",
    "difference",
    "labels",
    "load",
    "mean",
    "read",
    "setting",
    "share",
    "varying",
]

_HOMES = {
    **dict.fromkeys(("labels", "setting", "varying"), "analysis.settings"),
    **dict.fromkeys(("Interval", "difference", "mean", "share"), "analysis.stats"),
    **dict.fromkeys(("Records", "Tables", "load", "read"), "analysis.tables"),
}


def __getattr__(name: str) -> Any:
    """The public names, found when they are asked for: a report that is there needs no pandas."""
    if name not in _HOMES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
