"""Which rows of the layers' table are hidden units, their pre-activations and their weights."""

import numpy as np
import pandas as pd

from ninja.diagnosis.history import ACTIVATIONS, WEIGHTED


def units(layers: pd.DataFrame) -> pd.DataFrame:
    """The hidden layers' activations, as `ninja.diagnosis.history.hidden` finds them.

    Returns:
        A row a unit: `run`, `layer` (its depth), `unit` (from 1), `node`, `rule`, and `source`, the
        node of its pre-activation, "" where the record has none before it.
    """
    outputs = layers.loc[layers["tensor"] == "y", ["run", "layer", "node", "rule", *ACTIVATIONS]]
    names = layers["node"].cat.categories
    # a node's place in arrays over all runs and names: 24 looks of it fall into one
    place = outputs["run"].cat.codes.to_numpy(dtype=np.int64) * len(names)
    place += outputs["node"].cat.codes.to_numpy()
    seen, first = np.unique(place, return_index=True)
    acts = np.zeros(len(seen), dtype=bool)
    acting = outputs[list(ACTIVATIONS)].notna().to_numpy().any(axis=1)
    acts[np.searchsorted(seen, np.unique(place[acting]))] = True
    nodes = pd.DataFrame(
        {
            "run": outputs["run"].cat.codes.to_numpy()[first],
            "layer": outputs["layer"].to_numpy()[first],
            "node": seen % max(1, len(names)),
            "rule": outputs["rule"].cat.codes.to_numpy()[first],
            "acts": acts,
        }
    )
    nodes = nodes.sort_values(["run", "layer"], kind="stable")
    before = nodes["node"].shift(1, fill_value=-1).where(nodes["run"].eq(nodes["run"].shift(1)), -1)
    nodes = nodes.assign(source=before)[nodes["acts"]]
    return pd.DataFrame(
        {
            "run": _coded(nodes["run"], layers["run"]),
            "layer": nodes["layer"].to_numpy(),
            "unit": nodes.groupby("run").cumcount().to_numpy() + 1,
            "node": _coded(nodes["node"], layers["node"]),
            "rule": _coded(nodes["rule"], layers["rule"]),
            "source": _coded(nodes["source"], layers["node"]),
        }
    )


def _coded(codes: pd.Series, like: pd.Series) -> pd.Categorical:
    """Names again, of their codes."""
    return pd.Categorical.from_codes(codes.to_numpy(dtype=int), categories=like.cat.categories)


def looked(layers: pd.DataFrame) -> pd.DataFrame:
    """The rows of each run's first look and of its last with a finite delta, for `ends`."""
    finite = layers[np.isfinite(layers["delta_rms"].to_numpy())]
    steps = finite.groupby("run", observed=False)["step"]
    first, last = (
        getattr(steps, of)().reindex(layers["run"].cat.categories) for of in ("min", "max")
    )
    codes, step = layers["run"].cat.codes.to_numpy(), layers["step"].to_numpy()
    at_first, at_last = (step == of.to_numpy()[codes] for of in (first, last))
    return layers[at_first | at_last]


def matrices(layers: pd.DataFrame) -> pd.Series:
    """Which rows are of a weight matrix."""
    moved = layers["update_ratio"].notna()
    return moved | ((layers["tensor"] == "weight") & layers["rule"].isin(WEIGHTED))


def deltas(layers: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """The RMS of ∂loss/∂(pre-activation) of every hidden layer at every look.

    Args:
        layers: the table.
        found: of `units`.

    Returns:
        `run`, `step`, `unit`, `delta`, and `relative`, over that of the last hidden layer that has
        one at this look.
    """
    outputs = layers.loc[
        (layers["tensor"] == "y") & layers["delta_rms"].notna(),
        ["run", "step", "node", "delta_rms"],
    ]
    known = found.loc[found["source"].notna(), ["run", "source", "unit"]]
    seen = outputs.merge(known, left_on=["run", "node"], right_on=["run", "source"])
    seen = seen.sort_values(["run", "step", "unit"], kind="stable")
    last = seen.groupby(["run", "step"], observed=True)["delta_rms"].transform("last")
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = seen["delta_rms"] / last
    return pd.DataFrame(
        {
            "run": seen["run"],
            "step": seen["step"],
            "unit": seen["unit"],
            "delta": seen["delta_rms"].astype(float),
            "relative": relative.astype(float),
        }
    )


def gradients(layers: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """The norm of ∂loss/∂W of every hidden layer's last matrix at every look.

    Returns:
        `run`, `step`, `unit`, `norm`.
    """
    rows = layers.loc[
        matrices(layers) & layers["grad_norm"].notna(), ["run", "step", "layer", "grad_norm"]
    ]
    places = rows[["run", "layer"]].drop_duplicates().sort_values("layer", kind="stable")
    after = found[["run", "layer", "unit"]].sort_values("layer", kind="stable")
    where = pd.merge_asof(
        places.assign(run=places["run"].cat.codes),
        after.assign(run=after["run"].cat.codes),
        on="layer",
        by="run",
        direction="forward",
    ).dropna()
    where = where.drop_duplicates(["run", "unit"], keep="last")  # the nearest before the unit
    where["run"] = _coded(where["run"], layers["run"])
    seen = rows.merge(where, on=["run", "layer"])
    return pd.DataFrame(
        {
            "run": seen["run"],
            "step": seen["step"],
            "unit": seen["unit"].astype(int),
            "norm": seen["grad_norm"].astype(float),
        }
    )


def ends(seen: pd.DataFrame, of: str) -> pd.DataFrame:
    """The rows of each run's first look and of its last one with finite numbers, by `look`.

    A run that was looked at once has a first look only.

    Args:
        seen: with `run` and `step`.
        of: the column that must be finite.
    """
    finite = seen[np.isfinite(seen[of].to_numpy(dtype=float))]
    steps = finite.groupby("run", observed=True)["step"]
    first, last = steps.transform("min"), steps.transform("max")
    begun = finite[finite["step"] == first].assign(look="first look")
    ended = finite[(finite["step"] == last) & (last > first)].assign(look="last look")
    return pd.concat([begun, ended])
