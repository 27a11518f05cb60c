"""Many runs of few: the tables of some, again and again under other names and gains."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.tables import Records


def tiled(found: Records, count: int) -> Records:
    """The same numbers as so many runs: twenty gains, two norms, two engines, seeds."""
    runs, kept = found.runs, list(found.runs["run"])
    source = np.arange(count) % len(kept)
    names = [f"many/{number:05d}" for number in range(count)]
    made = runs.iloc[source].reset_index(drop=True)
    gains = (0.5 + 0.1 * (np.arange(count) % 20)).round(1)
    made = made.assign(
        run=names,
        run_id=[name.partition("/")[2] for name in names],
        study="many",
        seed=np.arange(count) // 80,
        gain=gains,
        **{
            "init.gain": gains,
            "norm.name": np.where(np.arange(count) // 20 % 2, "layernorm", "none"),
            "backward": np.where(np.arange(count) // 40 % 2, "autograd", "manual_fused"),
        },
    )
    return Records(
        made,
        _repeated(found.steps, kept, source, names),
        _repeated(found.layers, kept, source, names),
        found.findings.iloc[:0],
        (),
    )


def _repeated(
    table: pd.DataFrame, kept: Sequence[str], source: np.ndarray, names: Sequence[str]
) -> pd.DataFrame:
    rows = table["run"].astype(str).to_numpy()
    places = [np.flatnonzero(rows == run) for run in kept]
    sizes = [len(places[of]) for of in source]
    made = table.iloc[np.concatenate([places[of] for of in source])].reset_index(drop=True)
    codes = np.repeat(np.arange(len(names)), sizes)
    return made.assign(run=pd.Categorical.from_codes(codes, categories=list(names)))
