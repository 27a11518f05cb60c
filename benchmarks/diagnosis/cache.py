"""Records on disk, a file a stack, named by a hash of all that makes them."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.diagnosis.cases import Trained
from benchmarks.diagnosis.train import Stack, train
from ninja import data, records
from ninja.allocator import keep_freed_memory
from ninja.evaluate import Splits
from ninja.sweep.plan import shape_signature

FOLDER = Path("outputs", "diagnosis")
MOST = 48
"""Runs of a stack."""
VERSION = 1
"""Raised when a record of the same run would read otherwise."""


@dataclass(frozen=True)
class Record:
    """What is known of a run.

    Attributes:
        rows: as `ninja.records.rows` yields them.
        extras: of each row that was looked at, (step, columns) by node and tensor.
        history: loss at every step.
        accuracy: of the batch at every step.
        losses: in the end; empty of one that diverged.
        diverged: where the first number was none.
    """

    rows: list[dict[str, Any]]
    extras: list[tuple[int, list[dict[str, Any]]]]
    history: list[float]
    accuracy: list[float]
    losses: dict[str, float]
    diverged: dict[str, Any] | None


def records_of(runs: Iterable[Trained], folder: Path = FOLDER) -> dict[str, Record]:
    """The records by key: read, or trained first where there are none yet."""
    found: dict[str, Record] = {}
    keep_freed_memory()
    torch.set_num_threads(1)
    dataset, splits = None, None
    for stack in stacks({run.key: run for run in runs}.values()):
        path = folder / f"{_name(stack)}.json.gz"
        if not path.exists():
            if dataset is None or splits is None:
                dataset = data.load()
                splits = Splits.of(dataset, stack[0].config.batch_size)
            folder.mkdir(parents=True, exist_ok=True)
            made = train(stack, dataset, splits)
            partial = path.with_suffix(".part")
            with gzip.open(partial, "wt", compresslevel=1) as file:
                file.write(json.dumps(vars(made)))
            partial.rename(path)
        with gzip.open(path, "rt") as file:
            read = Stack(**json.load(file))
        found |= dict(zip(read.keys, _records(read), strict=True))
    return found


def stacks(runs: Iterable[Trained]) -> list[list[Trained]]:
    """Runs of one shape and one mutant, few enough for the cache."""
    shapes: dict[tuple[Any, str], list[Trained]] = {}
    for run in runs:
        shapes.setdefault((shape_signature(run.config), run.mutant), []).append(run)
    return [of[at : at + MOST] for of in shapes.values() for at in range(0, len(of), MOST)]


def _name(stack: Sequence[Trained]) -> str:
    made_of = [VERSION, torch.__version__, *(run.key for run in stack)]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]


def _records(stack: Stack) -> list[Record]:
    return [
        Record(
            [_row(row, stack.places) for row in rows],
            [
                (row["step"], records.layers(row, {"extras": stack.places["extras"]}))
                for row in rows
                if "extras" in row
            ],
            *(of[at] for of in (stack.history, stack.accuracy, stack.losses, stack.diverged)),
        )
        for at, rows in enumerate(stack.rows)
    ]


def _row(row: dict[str, Any], places: dict[str, Any]) -> dict[str, Any]:
    """The row with its layers in place of bare lists, as `ninja.records` has it."""
    own = {key: of for key, of in places.items() if key != "extras"}
    whole = {key: row[key] for key in row if key not in places}
    return {**whole, "layers": records.layers(row, own)} if own.keys() & row.keys() else whole
