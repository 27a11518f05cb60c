"""A study's records as two tables and an index beside its runs, so that nothing is read twice.

A run is read again when one of its files is another: in size, or in the time of its last change.
The cache may be removed at any time.
"""

import hashlib
import io
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from ninja import durable, records, result
from ninja.folders import COMPOSED

FOLDER = ".analysis"
FILES = (result.RESULT, records.LINES, records.STEPS, records.LAYERS, str(COMPOSED))
LOOKS = 24
"""Steps of a run whose layers are read for a report, a figure and a comparison: the same number, so
that one cache serves them all."""

INDEX, STEPS, LAYERS = "index.json", "steps.parquet", "layers.parquet"


@dataclass(frozen=True)
class Kept:
    """What is kept of a study.

    Attributes:
        runs: by the folder's name: `signature`, `about` and `findings`, see `analysis.run.Read`.
        steps: of all of them, with `run`, the folder's name.
        layers: the same, thinned.
    """

    runs: Mapping[str, Mapping[str, Any]]
    steps: pa.Table
    layers: pa.Table


def signature(folder: Path) -> str:
    """Of a run's files, by what the file system says of them."""
    told: list[str] = []
    for name in FILES:
        with suppress(OSError):  # whoever reads the run is told why
            about = (folder / name).stat()
            told.append(f"{name} {about.st_size} {about.st_mtime_ns}")
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


@cache
def sources() -> str:
    """Of all code that reads and judges records: other code reads them anew."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    own = [root / "analysis" / name for name in ("run.py", "cache.py")]
    for path in [*own, *sorted((root / "ninja" / "diagnosis").glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def read(study: Path, looks: int) -> Kept | None:
    """What is kept of a study; none if nothing is, or other code has kept it, or it is damaged."""
    place = study / FOLDER
    try:
        index = orjson.loads(_whole(place / INDEX))
        if index["sources"] != sources() or index["looks"] != looks:
            return None
        steps, layers = (_table(place / name, index[name]) for name in (STEPS, LAYERS))
        return Kept(index["runs"], steps, layers)
    except (OSError, ValueError, KeyError, TypeError):  # it can be made again
        return None


def _whole(path: Path) -> bytes:
    """The index, behind the digest that it begins with."""
    digest, _, content = path.read_bytes().partition(b"\n")
    if digest != _digest(content).encode():
        raise ValueError(f"{path}: damaged")
    return content


def _digest(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


def _table(path: Path, digest: str) -> pa.Table:
    """One that the index knows: another process may just have replaced it."""
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise ValueError(f"{path}: another than the index knows")
        return pq.read_table(file)


def write(study: Path, looks: int, kept: Kept) -> None:
    """Keep it, the index last.

    Where that fails, as on a full disk, beside another process or in somebody else's folder, the
    study is read anew the next time.
    """
    place = study / FOLDER
    index: dict[str, Any] = {"sources": sources(), "looks": looks, "runs": kept.runs}
    try:
        place.mkdir(exist_ok=True)
        (place / INDEX).unlink(missing_ok=True)
        for name, table in ((STEPS, kept.steps), (LAYERS, kept.layers)):
            buffer = io.BytesIO()
            pq.write_table(table, buffer)
            with buffer.getbuffer() as written:  # and no copy of it
                durable.write(place / name, written)
                index[name] = _digest(written)
            del buffer
        content = orjson.dumps(index)
        durable.write(place / INDEX, _digest(content).encode() + b"\n" + content)
    except OSError:  # it is only kept to save time
        return
