"""Records on disk as tables: `runs`, `steps`, `layers`."""

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from joblib import Parallel, delayed
from pandas.api.types import is_object_dtype

from analysis import cache
from analysis.run import FINDING, SPLITS, Read, read_run
from analysis.settings import shown
from analysis.workers import PARALLEL
from ninja.errors import RecordError
from ninja.folders import every_run

CHUNK = 8
"""Runs that a process is given at a time."""

TOGETHER = 256
"""Runs that are put into one table as they come."""


class Tables(NamedTuple):
    """What most notebooks need; see `Records`."""

    runs: pd.DataFrame
    steps: pd.DataFrame
    layers: pd.DataFrame


@dataclass(frozen=True)
class Records:
    """Tidy tables of many runs. `run`, "study/run_id", is what they are joined by.

    Where several studies have one name, they are called by their paths.

    Attributes:
        runs: a row a run. `run`, `folder`, `study`, `run_id`; `status` (done, diverged, unfinished,
            watched); `trained` steps; `loss_train`, `loss_validation`, `loss_test`, `loss_by_batch`
            in nats, over whole splits; `verdict`, `healthy` (true, false, or none where nobody
            looked), and of the first finding `finding`, `severity`, `layer`, `first_step`,
            `reason`, `fix`; `gap`, the largest of its steps (relative, no unit); every key of the
            configuration by its name (`init.gain`, as it was typed), and `gain`, the number behind
            it; `seconds` of training; `finished` in UTC; `version.*`.
        steps: a row a recorded step. `run`, `step`, `loss` of the batch in nats, `val_loss`, `lr`,
            `grad_norm` (L2, before clipping), `gap` (relative, no unit), `cosine` with the gradient
            before, and times in microseconds, `*_us`.
        layers: a row a tensor, a step. `run`, `step`, `layer` (depth, from 0), `node`, `rule`,
            `tensor` ("y" is the node's output); `grad_norm`, `weight_norm` (L2), `update_ratio`
            (log10 of std(Δw)/std(w)), `delta_rms` of ∂loss/∂tensor, `act_mean`, `act_std`, and the
            shares from 0 to 1 `saturated`, `dead`, `gate`, `linear`, `twins`; `gap`. float32; what
            was not looked at is not a number.
        findings: a row a finding, causes first. `run`, `rank` from 0, `kind`, `severity`, `layer`,
            `step`, `reason`, `fix`.
        skipped: what could not be read, a line each: the file, and what is wrong with it.
    """

    runs: pd.DataFrame
    steps: pd.DataFrame
    layers: pd.DataFrame
    findings: pd.DataFrame
    skipped: tuple[str, ...]


def load(*places: str | Path, looks: int | None = None) -> Tables:
    """The tables of all runs in these folders: of a run, of a study, or of an output.

    Runs that are not finished are there as far as they are. What is damaged is left out with a
    warning that names it.

    Args:
        places: folders; "outputs" if none is given.
        looks: keep the layers of so many steps of a run at most, the early ones, the last and
            evenly between; all of them, if none is given.

    Returns:
        runs, steps, layers; `Records` says what is in them.

    Raises:
        RecordError: a place is not there, or no run lies there.
    """
    found = read(*places, looks=looks)
    for line in found.skipped:
        warnings.warn(line, stacklevel=2)
    return Tables(found.runs, found.steps, found.layers)


def read(*places: str | Path, looks: int | None = None, pool: Executor | None = None) -> Records:
    """The same, with the findings, and what was skipped in place of warnings.

    With `looks`, what was read is kept in a folder `.analysis` beside the runs, and only runs that
    have changed since are read again. `pool` has processes to read with; else there are joblib's.

    Raises:
        RecordError: a place is not there, or no run lies there.
        ValueError: `looks` is no number of steps.
    """
    _check(looks)
    folders = every_run(map(Path, places or ("outputs",)))
    by_study: dict[Path, list[Path]] = {}
    for folder in sorted(folders, key=lambda of: (str(of.parent), of.name)):
        by_study.setdefault(folder.parent, []).append(folder)
    often = Counter(study.name for study in by_study)
    return _joined(
        [
            _read_study(
                study, study.name if often[study.name] == 1 else str(study), of, looks, pool
            )
            for study, of in by_study.items()
        ]
    )


def _check(looks: Any) -> None:
    plain = isinstance(looks, int) and not isinstance(looks, bool)
    if looks is not None and not (plain and looks > 0):
        raise ValueError(f"looks: {looks!r}, give a number of steps such as 24, or leave it out")


def nothing() -> Records:
    """The tables of no run at all."""
    return _joined([])


@dataclass(frozen=True)
class _Part:
    """Of one study, by its name; by its path, where several have that name."""

    study: str
    place: Path
    kept: cache.Kept
    skipped: tuple[str, ...]


def _read_study(
    study: Path, called: str, folders: Sequence[Path], looks: int | None, pool: Executor | None
) -> _Part:
    """The runs of one study, from its cache where they are as they were."""
    signatures = {folder.name: cache.signature(folder) for folder in folders}
    kept = None if looks is None else cache.read(study, looks)
    known = {} if kept is None else kept.runs
    same = {of for of, told in signatures.items() if known.get(of, {}).get("signature") == told}
    stale = [folder for folder in folders if folder.name not in same]
    steps: list[pa.Table] = []
    layers: list[pa.Table] = []
    skipped: list[str] = []
    made: dict[str, dict[str, Any]] = {}
    fresh = zip(stale, _read_all(stale, looks, pool), strict=True)
    while some := list(islice(fresh, TOGETHER)):
        skipped += [one for _, one in some if isinstance(one, str)]
        read_now = {of.name: one for of, one in some if isinstance(one, Read)}
        for name, one in read_now.items():
            told = {"about": one.about, "findings": one.findings}
            # JSON has no infinity: such a run is read anew each time
            lasting = not any(isinstance(of, float) and math.isinf(of) for of in one.about.values())
            made[name] = {"signature": signatures[name] if lasting else "", **told}
        if read_now:
            steps.append(_packed([_named(name, one.steps) for name, one in read_now.items()]))
            layers.append(_packed([_named(name, one.layers) for name, one in read_now.items()]))
    runs = {
        name: made.get(name) or known[name] for name in signatures if name in made or name in same
    }
    if kept is None:  # they were read in their order
        found = cache.Kept(runs, _stacked(steps), _stacked(layers))
    else:
        steps.append(_of(kept.steps, same, set(known)))
        layers.append(_of(kept.layers, same, set(known)))
        found = cache.Kept(runs, _ordered(steps), _ordered(layers))
    if looks is not None and (made or known.keys() != runs.keys()):
        cache.write(study, looks, found)
    return _Part(called, study, found, tuple(skipped))


def _of(table: pa.Table, names: set[str], whole: set[str]) -> pa.Table:
    """The rows of these runs."""
    if names == whole:
        return table
    return table.filter(
        pc.is_in(table["run"].cast(pa.string()), pa.array(sorted(names), pa.string()))  # pyright: ignore[reportAttributeAccessIssue]
    )


def _named(run: str, table: pa.Table) -> pa.Table:
    """With the run in its first column."""
    codes = pa.array(np.zeros(len(table), dtype=np.int32))
    return table.add_column(0, "run", pa.DictionaryArray.from_arrays(codes, [run]))


def _stacked(tables: Sequence[pa.Table]) -> pa.Table:
    """One below the other; a column that only some have is a gap in the others."""
    if not tables:
        return pa.table({"run": pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), [""])})
    return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()


def _packed(tables: Sequence[pa.Table]) -> pa.Table:
    """The same, in memory of its own: what a process has sent can go."""
    return _stacked(tables).combine_chunks()


def _ordered(tables: Sequence[pa.Table]) -> pa.Table:
    """By the run's name, whatever was read first."""
    whole = _stacked(tables)
    if len(tables) < 2:
        return whole
    return whole.take(pc.sort_indices(whole["run"].cast(pa.string())))  # pyright: ignore[reportAttributeAccessIssue]


def _read_all(
    folders: Sequence[Path], looks: int | None, pool: Executor | None
) -> Iterator[Read | str]:
    """Every run, side by side where there are many, or what is wrong with it."""
    if len(folders) < PARALLEL:
        yield from (_try(folder, looks) for folder in folders)
    elif pool is not None:
        yield from pool.map(_try, folders, repeat(looks), chunksize=CHUNK)
    else:  # joblib's processes do not run a notebook's or a script's own code again
        side_by_side = Parallel(n_jobs=-1, return_as="generator")
        jobs = (delayed(_try)(folder, looks) for folder in folders)
        yield from cast("Iterator[Read | str]", side_by_side(jobs))


def _try(folder: Path, looks: int | None) -> Read | str:
    try:
        return read_run(folder, looks)
    except RecordError as error:
        return str(error)


def _joined(parts: list[_Part]) -> Records:
    """Of all studies, in the order of their names. The list is emptied, to hold nothing twice."""
    entries = {  # where it lies is not kept: it may be moved, or typed in another way
        f"{part.study}/{name}": {
            **entry,
            "about": entry["about"] | {"study": part.study, "folder": str(part.place / name)},
        }
        for part in parts
        for name, entry in part.kept.runs.items()
    }
    runs = [{"run": run, **entry["about"]} for run, entry in entries.items()]
    findings = [
        {"run": run, "rank": rank, **finding}
        for run, entry in entries.items()
        for rank, finding in enumerate(entry["findings"])
    ]
    steps = [_prefixed(part.study, part.kept.steps) for part in parts]
    layers = [_prefixed(part.study, part.kept.layers) for part in parts]
    skipped = tuple(line for part in parts for line in part.skipped)
    parts.clear()
    taken = _frame(steps)
    return Records(
        _with_gaps(_runs(runs), taken),
        taken,
        _frame(layers),
        pd.DataFrame(findings, columns=["run", "rank", *FINDING]).astype(
            {"rank": "int64", "step": "Int64"}
        ),
        skipped,
    )


ALWAYS: dict[str, str] = {
    **dict.fromkeys(("run", "folder", "study", "run_id", "status", "verdict"), "str"),
    "healthy": "boolean",
    **dict.fromkeys(("finding", "severity", "layer", "reason", "fix", "diverged_at"), "str"),
    **dict.fromkeys(("first_step", "trained", "classes", "diverged_step"), "Int64"),
    **dict.fromkeys((*(f"loss_{split}" for split in SPLITS), "seconds", "gain", "gap"), "float64"),
    **dict.fromkeys(("execution", "finished", "git_revision", "data_sha256"), "str"),
}
"""Columns that the table of runs has whatever was run, and their types."""


def _runs(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """With one type a column; a key that was given as 1 and as "5/3" holds text."""
    runs = pd.DataFrame(rows)
    runs = runs.reindex(columns=list(dict.fromkeys([*runs.columns, *ALWAYS])))
    for name in runs.columns.difference(list(ALWAYS)):
        if is_object_dtype(runs[name]) and runs[name].dropna().map(type).nunique() > 1:
            runs[name] = runs[name].map(shown, na_action="ignore").astype("str")
    return runs.astype(ALWAYS)


def _with_gaps(runs: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """With the largest of each run."""
    if "gap" in steps and len(steps):
        most = steps.groupby("run", observed=True)["gap"].max()
        runs["gap"] = runs["run"].map(most.rename(index=str)).astype("float64")
    return runs


def _prefixed(study: str, table: pa.Table) -> pa.Table:
    """`run` by its whole name, "study/run_id"."""
    column = table["run"].unify_dictionaries().combine_chunks()
    names = pa.array([f"{study}/{name}" for name in column.dictionary.to_pylist()], pa.string())
    return table.set_column(0, "run", pa.DictionaryArray.from_arrays(column.indices, names))


def _frame(tables: list[pa.Table]) -> pd.DataFrame:
    """Names are categories in the order of the alphabet, which no order of reading changes.

    The list is emptied, and each column of Arrow's goes when it is copied, as both of all of 10,000
    runs are gigabytes. Copied it must be: what is Arrow's cannot be written to.
    """
    table = _stacked([table for table in tables if len(table)] or tables)
    tables.clear()
    arrows = table.to_pandas(self_destruct=True, split_blocks=True)
    del table
    columns = {name: _column(arrows.pop(name)) for name in list(arrows)}
    pa.default_memory_pool().release_unused()
    return pd.DataFrame(columns, copy=False)


def _column(values: pd.Series) -> pd.Series:
    """In memory of pandas' own; a category has the names that are there, in their order."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return values.copy()
    kept = values.cat.remove_unused_categories()
    return kept.cat.reorder_categories(sorted(kept.cat.categories))
