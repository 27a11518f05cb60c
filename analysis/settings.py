"""What differs between runs, and how to say it."""

from collections.abc import Collection, Sequence

import pandas as pd

GRID_FIRST = ("init.gain", "norm.name", "backward", "model.n_layers", "optimizer.lr")
"""Axes that a reader asks for first; the others follow as they stand in the configuration."""

NOT_SETTINGS = frozenset(
    {
        *("run", "folder", "study", "run_id", "verdict", "healthy", "finding", "severity", "layer"),
        *("first_step", "reason", "fix", "gain", "gap", "status", "trained", "classes"),
        *("diverged_step", "diverged_at", "seconds", "execution", "finished", "git_revision"),
        *("device", "threads"),
    }
)
"""Columns of the table of runs that nobody has set."""


def is_setting(name: str) -> bool:
    """Whether a column is a key of the configuration."""
    return name not in NOT_SETTINGS and not name.startswith(("loss_", "version."))


def keys(runs: pd.DataFrame) -> list[str]:
    """The columns that are keys of the configuration."""
    return [name for name in runs.columns if is_setting(name)]


def varying(runs: pd.DataFrame) -> list[str]:
    """The keys whose values differ between these runs; the seed last, as it tells least.

    A watched training has no configuration, and does not count.
    """
    ours = runs[runs["status"] != "watched"]
    differ = [key for key in keys(ours) if ours[key].astype(str).nunique() > 1]
    first = [key for key in GRID_FIRST if key in differ]
    rest = [key for key in differ if key not in GRID_FIRST and key != "seed"]
    last = [key for key in differ if key == "seed"]
    return [*first, *rest, *last]


def apart(runs: pd.DataFrame) -> list[str]:
    """The same, without a key that goes with one before it: 8 layers of 100 units, 1 of 200.

    Of two that go together nobody can tell which makes a difference; the first stands for both.
    """
    found: list[str] = []
    texts = {key: runs[key].map(shown) for key in varying(runs)}
    for key, text in texts.items():
        count = text.nunique()
        goes_with = (
            texts[other].nunique() == count == (texts[other] + "\n" + text).nunique()
            for other in found
        )
        # where every run has a value of its own, as in a random search, all keys go together
        if key == "seed" or 2 * count > len(runs) or not any(goes_with):
            found.append(key)
    return found


def setting(runs: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """One text a run, such as "init.gain=5/3 norm.name=none"; its index is that of the runs."""
    if not names:
        return pd.Series("", index=runs.index, dtype=str)
    found = names[0] + "=" + runs[names[0]].map(shown)
    for key in names[1:]:
        found = found + f" {key}=" + runs[key].map(shown)
    return found


def labels(runs: pd.DataFrame, without: Collection[str] = ()) -> pd.Series:
    """Of each run, what sets it apart within its study; its index is that of the runs.

    Args:
        runs: the table.
        without: keys to leave out: with `{"seed"}`, runs that are one setting have one label.
    """
    found = pd.Series("", index=runs.index, dtype="str")
    for _, of in runs.groupby("study", sort=False):
        names = [key for key in varying(of) if key not in without]
        found[of.index] = setting(of, names)
    return found


def shown(value: object) -> str:
    """A value as it is typed."""
    if value is None or value != value:  # not a number
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
