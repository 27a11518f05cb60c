"""One run as rows of the tables: what its folder says, finished or not."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.settings import is_setting
from ninja import records, result
from ninja.checks import gain_value
from ninja.diagnosis import KINDS, Finding
from ninja.diagnosis.finding import read as read_finding
from ninja.errors import ConfigError, RecordError
from ninja.folders import diagnosed, flat
from ninja.result import Result

SPLITS = ("train", "validation", "test", "by_batch")

FINDING = ("kind", "severity", "layer", "step", "reason", "fix")

UNFINISHED = "unfinished"
"""The status of a run that has no result yet, whether it is under way or was stopped."""

NAMES = ("node", "rule", "tensor")
PLACE = ("step", "layer", *NAMES)

LAYERS = pa.schema(
    [
        ("step", pa.int32()),
        ("layer", pa.int16()),
        *((name, pa.dictionary(pa.int32(), pa.string())) for name in NAMES),
        *((name, pa.float32()) for name in records.COLUMNS),
    ]
)
"""Of the layers' table. Numbers are float32, and names are codes: a quarter of the memory."""


@dataclass(frozen=True)
class Read:
    """A run.

    Attributes:
        about: its row in the table of runs, without `run`.
        findings: causes first, plain data.
        steps: one row a recorded step.
        layers: one row a tensor that was looked at, a step; of the schema `LAYERS`.
    """

    about: dict[str, Any]
    findings: tuple[dict[str, Any], ...]
    steps: pa.Table
    layers: pa.Table


def read_run(folder: Path, looks: int | None = None) -> Read:
    """Read a run's folder.

    Args:
        folder: of the run.
        looks: keep the layers of so many steps at most; see `thinned`.

    Raises:
        RecordError: something is damaged or missing; it says which file.
    """
    done = result.read(folder)
    if done is None:
        found = diagnosed(folder)
        steps, layers = _from_lines(folder, looks)
        findings: Sequence[Finding] = found.findings
        about = _about(folder, found.about.config or {}, found.verdict, findings)
        trained = found.history.last
        about |= {"status": UNFINISHED, "trained": 0 if trained is None else trained + 1}
        about |= {"classes": found.about.classes, "diverged_at": ""}
    else:
        steps, layers = _from_tables(folder, looks)
        findings = _findings(folder, done)
        _must_be_evidence(folder, done)
        about = _about(folder, done.config, done.verdict, findings) | _ended(done)
    _must_fit(folder, about, findings)
    return Read(about, tuple(map(_told, findings)), steps, layers)


def _findings(folder: Path, done: Result) -> list[Finding]:
    try:
        found = [read_finding(plain) for plain in done.findings]
        if strange := {one.kind for one in found} - {*KINDS}:
            raise ValueError(f"{min(strange)!r} is no class of findings")
        return found
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, f"a finding: {type(error).__name__}: {error}") from None


def _must_be_evidence(folder: Path, done: Result) -> None:
    for of in cast("Sequence[Any]", done.evidence):
        known = isinstance(of, Mapping) and all(
            isinstance(of.get(at), str) for at in ("name", "when")
        )
        if not known or not isinstance(of.get("value"), int | float | None):
            raise _damaged(folder, f"evidence: {of!r:.80}")


def _damaged(folder: Path, why: str) -> RecordError:
    path = folder / result.RESULT
    return RecordError(f"{str(path)!r}: damaged ({why}): remove it to finish the run again")


def _must_fit(folder: Path, about: Mapping[str, Any], findings: Sequence[Finding]) -> None:
    """Refuse what no table can hold: text that is not UTF-8, whole numbers beyond 64 bits."""
    told = [*about.items(), *(pair for one in findings for pair in _told(one).items())]
    for name, value in told:
        try:
            if isinstance(value, str):
                value.encode()
            elif isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise ValueError("beyond 64 bits")
        except ValueError as error:  # as of a folder's name in another encoding
            raise RecordError(
                f"{str(folder)!r}: {name} is {value!a}, which no table holds ({error})"
            ) from None


def _told(finding: Finding) -> dict[str, Any]:
    """What the table of findings has of one."""
    return {name: getattr(finding, name) for name in FINDING}


def _about(
    folder: Path, config: Mapping[str, Any], verdict: str, findings: Sequence[Finding]
) -> dict[str, Any]:
    """What every run has."""
    first = findings[0] if findings else None
    sick = any(finding.severity == "sick" for finding in findings)
    return {
        "folder": str(folder),
        "study": folder.parent.name,
        "run_id": folder.name,
        "verdict": verdict,
        # nobody looked: then it is neither
        "healthy": None if verdict == "unknown" else not sick,
        "finding": first.kind if first else "",
        "severity": first.severity if first else "",
        "layer": first.layer if first else "",
        "first_step": first.step if first else None,
        "reason": first.reason if first else "",
        "fix": first.fix if first else "",
        **_keys(config),
        "gain": _gain(config),
    }


def _ended(done: Result) -> dict[str, Any]:
    """What only a result says."""
    where = done.diverged or {}
    return {
        "status": done.status,
        "trained": done.steps,
        "classes": done.classes or None,
        **{f"loss_{split}": done.losses.get(split, math.nan) for split in SPLITS},
        "diverged_step": where.get("step"),
        "diverged_at": f"{where['node']}.{where['tensor']}" if where else "",
        "seconds": done.seconds,
        "execution": done.execution,
        "finished": done.finished,
        "git_revision": done.git_revision or "",
        "data_sha256": done.data_sha256,
        **{f"version.{name}": version for name, version in done.versions.items()},
    }


MACHINE = ("device", "threads")
"""Keys that tell where a run was trained."""


def _keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration by the keys that `run.py` takes; lists as it would print them."""
    found = dict(flat(config)) | {key: config[key] for key in MACHINE if key in config}
    return {
        key: str(list(of)) if isinstance(of, list | tuple) else of
        for key, of in found.items()
        if is_setting(key) or key in MACHINE  # a foreign one may be called as a column of ours is
    }


def _gain(config: Mapping[str, Any]) -> float:
    """The number behind `init.gain`; not a number where there is none."""
    init = config.get("init")
    given = init.get("gain") if isinstance(init, Mapping) else None
    try:
        return math.nan if given is None else gain_value(given)
    except ConfigError:  # an activation's, of another version
        return math.nan


def _from_tables(folder: Path, looks: int | None) -> tuple[pa.Table, pa.Table]:
    """The tables of a finished run; of its lines, where it has none, as after `health.save`."""
    if not records.has_tables(folder):
        return _from_lines(folder, looks)
    try:
        steps = _table(folder / records.STEPS, ["step"])
        kinds = [
            (name, pa.int64() if name == "step" else pa.float64()) for name in steps.schema.names
        ]
        steps = steps.cast(pa.schema(kinds))
        layers = thinned(_table(folder / records.LAYERS, PLACE, NAMES), looks)
        for name in LAYERS.names:  # what no layer of this run has
            if name not in layers.column_names:
                layers = layers.append_column(name, pa.nulls(len(layers), LAYERS.field(name).type))
        # safe=False: beyond float32, as a weight of a diverged run may be, is infinite
        return steps, layers.select(LAYERS.names).cast(LAYERS, safe=False)
    except (OSError, ValueError, TypeError, NotImplementedError) as error:  # pyarrow's are these
        said = " ".join(str(error).split())
        raise RecordError(f"{str(folder)!r}: its tables cannot be read ({said})") from None


def _table(path: Path, needed: Sequence[str], codes: Sequence[str] = ()) -> pa.Table:
    """By one thread: runs are read side by side. `pq.read_table` takes twice as long.

    Raises:
        ValueError: a column that is needed is not there, or has gaps.
    """
    try:
        with pq.ParquetFile(path, read_dictionary=list(codes)) as file:
            table = file.read(use_threads=False)
    except KeyError as error:  # of the codes
        raise ValueError(f"{path.name} has no column {error}") from None
    for name in needed:
        if name not in table.column_names or table[name].null_count:
            raise ValueError(f"{path.name} has no column {name!r}, or it has gaps")
    return table


def _from_lines(folder: Path, looks: int | None) -> tuple[pa.Table, pa.Table]:
    """The same of a record that is still lines."""
    steps: list[dict[str, Any]] = []
    layers: list[dict[str, Any]] = []
    for row in records.checked(folder):
        steps.append({key: row[key] for key in row if key not in records.NOT_IN_STEPS})
        layers += [{"step": row["step"], **layer} for layer in row.get("layers", ())]
    names = dict.fromkeys([*records.STEP_COLUMNS, *sorted({key for of in steps for key in of})])
    kinds = {name: pa.int64() if name == "step" else pa.float64() for name in names}
    return (
        pa.Table.from_pylist(steps, schema=pa.schema(list(kinds.items()))),
        thinned(pa.Table.from_pylist(layers, schema=LAYERS), looks),
    )


def thinned(layers: pa.Table, looks: int | None) -> pa.Table:
    """The layers of at most so many steps: the early ones, the last, and evenly between.

    Args:
        layers: of one run.
        looks: how many steps; all of them, if none is given.
    """
    steps = layers["step"].to_numpy()
    seen = np.unique(steps)
    if looks is None or len(seen) <= looks:
        return layers
    early = looks // 3
    late = np.linspace(len(seen) - 1, early, looks - early).round().astype(int)
    return layers.filter(pa.array(np.isin(steps, np.append(seen[:early], seen[late]))))
