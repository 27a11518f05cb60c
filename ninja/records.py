"""What a run saw, on disk before anywhere else.

``metrics.jsonl``: one line a step that was looked at, written and flushed at once. The numbers of
the layers are bare lists; a line before the first of them says where each number belongs. When the
run is done, two tables are made of it, ``steps.parquet`` and ``layers.parquet``.
"""

import io
import json
import math
import os
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, cast, overload

import orjson

from ninja import durable
from ninja.errors import RecordError

LINES, STEPS, LAYERS = "metrics.jsonl", "steps.parquet", "layers.parquet"

LARGEST = 2**53
"""Of a step and a depth: all integers up to it are floats, too."""

PARQUET = b"PAR1"
"""The first and the last bytes of such a file."""

STEP_COLUMNS = ("step", "loss", "val_loss", "lr", "grad_norm", "gap", "cosine")
"""What every table of steps has, if only as gaps; others follow where they were measured."""

COLUMNS = (
    *("grad_norm", "weight_norm", "update_ratio"),
    *("delta_rms", "act_mean", "act_std"),
    *("saturated", "dead", "gate", "linear", "twins"),
    "gap",
)
"""What may be said of a layer, in the table's order."""

NOT_IN_STEPS = {"layers", "histograms"}
"""What a row holds beside its numbers."""

ARROW = {
    "step": "int64",
    "layer": "int64",
    "node": "string",
    "rule": "string",
    "tensor": "string",
}
"""The types of the columns that are no floats."""

PLACE = ("layer", "node", "rule", "tensor")
"""What a layer is known by: no names of columns."""

Place = Sequence[Any]
"""Depth, node, rule, tensor and column of a number."""


class Record:
    """The open record of a run that is under way."""

    def __init__(self, folder: Path, size: int = 0) -> None:
        """Open it, cut back to its first ``size`` bytes: to where a checkpoint knows of it.

        Raises:
            RecordError: there are fewer bytes than that.
        """
        self.path = folder / LINES
        self.places: dict[str, Sequence[Place]] = {}
        self._file = self.path.open("ab", buffering=0)
        there = self.path.stat().st_size
        if there < size:
            self._file.close()
            raise RecordError(
                f"{str(self.path)!r}: {there} bytes, but the checkpoint beside it knows of {size}: "
                "remove the run's folder to start it anew"
            )
        self._file.truncate(size)

    def place(self, key: str, places: Sequence[Place]) -> None:
        """Say where the numbers under a key of the rows to come belong."""
        self.places[key] = places
        self.append({"places": key, "of": places})

    def append(self, *rows: dict[str, Any]) -> None:
        """Write a line each, and have the system take them: they outlive the process from here."""
        lines = b"".join(map(_line, rows))
        written = self._file.write(lines)
        while written < len(lines):  # a disk that is nearly full takes a part, then refuses
            lines = lines[written:]
            written = self._file.write(lines)

    def synchronise(self) -> int:
        """Have the disk take it all; returns its size in bytes, for a checkpoint."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def __enter__(self) -> "Record":
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()


def _line(row: dict[str, Any]) -> bytes:
    line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    if b"null" in line:  # it has no word for an infinity, or for what is not a number
        line = json.dumps(row).encode() + b"\n"
    return line


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows of a run, the first step first, with `layers`. A torn last line is left out.

    Raises:
        RecordError: a line before the last is damaged, or the file cannot be read.
    """
    for _, row in _numbered(folder):
        yield row


def _numbered(folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows, each with the number of its line."""
    path = folder / LINES
    try:
        *lines, last = durable.read(path).split(b"\n")
    except OSError as error:
        raise RecordError(f"{str(path)!r}: cannot be read ({error.strerror})") from None
    del last  # empty after a whole line; else what a killed process had begun to write
    places: dict[str, Sequence[Place]] = {}
    sound: set[str] = set()  # those that a row has asked for
    for number, line in enumerate(lines, start=1):
        try:
            row = _parsed(line)
            if not isinstance(row, dict):
                raise TypeError("no object")
            if "places" in row:
                places[row["places"]] = row["of"]
                sound.discard(row["places"])
                continue
            for key in row.keys() & places.keys() - sound:
                _check_places(places[key])
                sound.add(key)
            whole = _whole(row, places)
        # OverflowError: an integer that no float can hold; RecursionError: brackets without end
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise _damaged(path, number) from None
        yield number, whole


def _parsed(line: bytes) -> Any:
    """The opposite of `_line`."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:  # an infinity, or what is not a number; or damage
        return json.loads(line)


def _damaged(path: Path, number: int, why: str = "") -> RecordError:
    said = f"{why}: damaged" if why else "damaged"
    return RecordError(
        f"{str(path)!r}, line {number}: {said}: remove the run's folder to start it anew"
    )


def _whole(row: dict[str, Any], places: dict[str, Sequence[Place]]) -> dict[str, Any]:
    """The row with its layers in place of bare lists.

    Raises:
        ValueError, TypeError, KeyError, OverflowError: it is none.
    """
    whole = {"step": row["step"], **{key: row[key] for key in row if key not in places}}
    if type(row["step"]) is not int or not 0 <= row["step"] < LARGEST:
        raise ValueError("no step")
    _check_numbers([whole[key] for key in whole if key != "histograms"])
    if any(key in row for key in places):
        for key in places.keys() & row.keys():
            _check_numbers(row[key])
        whole["layers"] = layers(row, places)
    return whole


def _check_numbers(values: Sequence[object]) -> None:
    """Refuse what is no number: null, words, lists without places.

    Raises:
        TypeError: one is not.
        OverflowError: an integer that no float can hold.
    """
    if not set(map(type, values)) <= {int, float}:
        raise TypeError("no numbers")
    array("d", cast("Sequence[float]", values))


def _check_places(of: Sequence[Place]) -> None:
    """Refuse what is no place, and a node at two depths.

    Raises:
        ValueError, TypeError: one is none.
    """
    depths: dict[str, int] = {}
    for depth, node, rule, tensor, column in of:
        if type(depth) is not int or not 0 <= depth < LARGEST:
            raise ValueError("no depth")
        if not all(isinstance(name, str) for name in (node, rule, tensor, column)):
            raise TypeError("no name")
        if column in PLACE or depths.setdefault(node, depth) != depth:
            raise ValueError("no place")


def layers(row: dict[str, Any], places: dict[str, Sequence[Place]]) -> list[dict[str, Any]]:
    """Every tensor that a row says something of, in depth order, a node's output first.

    Each has layer (its depth), node, rule, tensor ("y" is the node's output) and the columns that
    apply.

    Raises:
        ValueError: there are more or fewer numbers than places.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for key in places:
        if key not in row:
            continue
        for (depth, node, rule, tensor, column), value in zip(places[key], row[key], strict=True):
            about = {"layer": depth, "node": node, "rule": rule, "tensor": tensor}
            found.setdefault((node, tensor), about)[column] = value
    return sorted(found.values(), key=lambda of: (of["layer"], of["tensor"] != "y"))


def check(folder: Path) -> None:
    """Refuse a record that no run has written, before anything is built upon it.

    Raises:
        RecordError: see `checked`.
    """
    deque(checked(folder), maxlen=0)


def checked(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows of a record that a run has written.

    Raises:
        RecordError: a line is damaged, a step has not its numbers, or does not follow the one
            before.
    """
    last = -1
    for number, row in _numbered(folder):
        step = row["step"]
        if not ("loss" in row and "lr" in row):
            raise _damaged(folder / LINES, number, f"step {step} has no loss or no lr")
        if step <= last:
            raise _damaged(folder / LINES, number, f"step {step} after step {last}")
        last = step
        yield row


class Layers(Sequence[dict[str, Any]]):
    """The layers of a row, made when somebody asks for them, which nobody does of most."""

    def __init__(self, row: dict[str, Any], places: dict[str, Sequence[Place]]) -> None:
        """Keep both."""
        self._row, self._places = row, places

    @cached_property
    def _made(self) -> list[dict[str, Any]]:
        return layers(self._row, self._places)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """See `layers`."""
        return self._made[index]

    def __len__(self) -> int:
        """How many tensors."""
        return len(self._made)


def has_tables(folder: Path) -> bool:
    """Whether both tables are there, and no part of one is missing."""
    for path in (folder / STEPS, folder / LAYERS):
        if not path.is_file():
            return False
        if path.stat().st_size < 12:
            return False
        with path.open("rb") as file:
            begin = file.read(len(PARQUET))
            file.seek(-len(PARQUET), os.SEEK_END)
            if begin != PARQUET or file.read() != PARQUET:
                return False
    return True


def finish(folder: Path) -> Iterator[dict[str, Any]]:
    """Make the two tables of the lines, which may be far more than fit into memory as rows.

    Yields:
        The rows, for whoever else must read them; after the last one, the tables are there.

    Raises:
        RecordError: see `checked`.
    """
    import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]

    from ninja.arrow import column as made

    steps: dict[str, list[Any]] = {name: [] for name in STEP_COLUMNS}
    about: dict[str, list[Any]] = {name: [] for name in ("step", *PLACE)}
    numbers = {name: array("d") for name in COLUMNS}
    said: set[str] = set()
    for count, row in enumerate(checked(folder)):
        yield row
        for name in row.keys() - NOT_IN_STEPS - steps.keys():
            steps[name] = [None] * count
        for name, column in steps.items():
            column.append(row.get(name))
        for layer in row.get("layers", ()):
            said.update(layer)
            about["step"].append(row["step"])
            for name in PLACE:
                about[name].append(layer[name])
            for name in COLUMNS:
                numbers[name].append(layer.get(name, math.nan))
    order = [*STEP_COLUMNS, *sorted(steps.keys() - set(STEP_COLUMNS))]
    seen = {name: numbers[name] for name in COLUMNS if name in said}
    for path, columns in (
        (STEPS, {name: steps[name] for name in order}),
        (LAYERS, {**about, **seen}),
    ):
        table = pa.table(
            {name: made(values, ARROW.get(name, "float64")) for name, values in columns.items()}
        )
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        durable.write(folder / path, buffer.getvalue())
