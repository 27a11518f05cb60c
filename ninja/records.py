"""What a run saw, on disk before anywhere else.

While it runs, ``metrics.jsonl``: one line a probed step, written and flushed at once. When it is
done, two tables, ``steps.parquet`` and ``layers.parquet``, and nothing of the lines is lost.
"""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from ninja import durable
from ninja.errors import RecordError

LINES, STEPS, LAYERS = "metrics.jsonl", "steps.parquet", "layers.parquet"


class Record:
    """The open record of a run that is under way."""

    def __init__(self, folder: Path, size: int = 0) -> None:
        """Open it, cut back to its first ``size`` bytes: to where a checkpoint knows of it.

        Raises:
            RecordError: there are fewer bytes than that.
        """
        self.path = folder / LINES
        self._file = self.path.open("ab")
        there = self.path.stat().st_size
        if there < size:
            self._file.close()
            raise RecordError(
                f"{str(self.path)!r}: {there} bytes, but the checkpoint beside it knows of {size}: "
                "remove the run's folder to start it anew"
            )
        self._file.truncate(size)

    def append(self, row: dict[str, Any]) -> None:
        """Write one line, and have the system take it: it outlives the process from here on."""
        self._file.write(json.dumps(row).encode() + b"\n")
        self._file.flush()

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


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of a run under way, the first step first. A torn last line is left out.

    Raises:
        RecordError: a line before the last is damaged, or the file cannot be read.
    """
    path = folder / LINES
    try:
        *lines, last = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RecordError(f"{str(path)!r}: cannot be read ({error.strerror})") from None
    del last  # empty after a whole line; else what a killed process had begun to write
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or "step" not in row:
            raise RecordError(
                f"{str(path)!r}, line {number}: damaged: remove the run's folder to start it anew"
            )
        yield row


def finish(folder: Path) -> None:
    """Turn the lines into the two tables. The lines stay until the run's result is written."""
    import pandas as pd

    seen = list(rows(folder))
    plain = ("layers", "histograms")
    steps = pd.DataFrame([{k: v for k, v in row.items() if k not in plain} for row in seen])
    layers = pd.DataFrame(
        [{"step": row["step"], **layer} for row in seen for layer in row.get("layers", [])]
    )
    for name, table in ((STEPS, steps), (LAYERS, layers)):
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        durable.write(folder / name, buffer.getvalue())
