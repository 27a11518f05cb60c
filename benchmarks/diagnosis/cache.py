"""Records on disk, a file a stack, named by a hash of all that makes them."""

import ast
import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

import ninja
from benchmarks.diagnosis.cases import Trained
from benchmarks.diagnosis.train import Stack, train
from ninja import data, records
from ninja.allocator import keep_freed_memory
from ninja.evaluate import Splits
from ninja.sweep.plan import shape_signature

MAKERS = (
    *("probes/*.py", "rules/*.py", "engines/*.py", "rows.py", "train.py", "optim.py", "init.py"),
    *("net.py", "networks.py", "batches.py", "data.py", "evaluate.py", "distinct.py"),
)
"""What of the package makes a record."""
FOLDER = Path("outputs", "diagnosis")
MOST = 48
"""Runs of a stack."""


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
        path = folder / f"{name_of([run.key for run in stack])}.json.gz"
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
        found |= dict(zip(read.keys, records_in(read), strict=True))
    return found


def stacks(runs: Iterable[Trained]) -> list[list[Trained]]:
    """Runs of one shape and one mutant, few enough for the cache."""
    shapes: dict[tuple[Any, str], list[Trained]] = {}
    for run in runs:
        shapes.setdefault((shape_signature(run.config), run.mutant), []).append(run)
    return [of[at : at + MOST] for of in shapes.values() for at in range(0, len(of), MOST)]


def name_of(keys: Sequence[str]) -> str:
    """Of the file that holds these runs' records, as the code of today makes them."""
    made_of = [torch.__version__, sources(), *keys]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]


@cache
def sources() -> str:
    """A hash of the code that makes a record; comments and docstrings are not in it."""
    here, package = Path(__file__).parent, Path(ninja.__file__).parent
    paths = [path for of in MAKERS for path in sorted(package.glob(of))]
    found = hashlib.sha256()
    for path in [*paths, here / "train.py", here / "extras.py"]:
        tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and _is_text(body[0]):
                del body[0]
        found.update(ast.dump(tree).encode())
    return found.hexdigest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def records_in(stack: Stack) -> list[Record]:
    """Of runs that were trained together, one each."""
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
