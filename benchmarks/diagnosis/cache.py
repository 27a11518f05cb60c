"""Records on disk, a file a stack, named by a hash of all that makes them."""

import ast
import gzip
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch

import ninja
from benchmarks.diagnosis.cases import Trained
from benchmarks.diagnosis.module_cases import Module
from benchmarks.diagnosis.train import Stack, train
from ninja import data, records
from ninja.allocator import keep_freed_memory
from ninja.evaluate import Splits
from ninja.sweep.plan import shape_signature

MAKERS = {
    "mlp": (
        ("train.py", "extras.py"),
        (
            *("probes/*.py", "rules/*.py", "engines/*.py", "rows.py", "train.py", "optim.py"),
            *("init.py", "net.py", "networks.py", "batches.py", "data.py", "evaluate.py"),
            "distinct.py",
        ),
    ),
    "modules": (
        ("module_train.py", "modules.py", "extras.py"),
        ("probes/*.py", "observe/*.py", "data.py"),
    ),
}
"""What of the benchmark, and what of the package, makes a record."""
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
    """The records of runs of the product by key: read, or trained first where there are none."""
    found: dict[str, Record] = {}
    keep_freed_memory()
    torch.set_num_threads(1)
    dataset, splits = None, None
    for stack in stacks({run.key: run for run in runs}.values()):
        path = _path(folder, sources(), *(run.key for run in stack))
        if not path.exists():
            if dataset is None or splits is None:
                dataset = data.load()
                splits = Splits.of(dataset, stack[0].config.batch_size)
            _write(path, vars(train(stack, dataset, splits)))
        read = Stack(**_read(path))
        found |= dict(zip(read.keys, records_in(read), strict=True))
    return found


def module_records_of(runs: Iterable[Module], folder: Path = FOLDER) -> dict[str, Record]:
    """The same of modules, each by itself."""
    found: dict[str, Record] = {}
    torch.set_num_threads(1)
    for run in {run.key: run for run in runs}.values():
        path = _path(folder, sources("modules"), run.key)
        if not path.exists():
            from benchmarks.diagnosis import module_train

            _write(path, module_train.train(run))
        found[run.key] = Record(**_read(path))
    return found


def _path(folder: Path, *made_of: str) -> Path:
    """Of the file that holds these runs' records, as the code of today makes them."""
    name = hashlib.sha256(json.dumps([torch.__version__, *made_of]).encode()).hexdigest()
    return folder / f"{name[:16]}.json.gz"


def _write(path: Path, plain: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    with gzip.open(partial, "wt", compresslevel=1) as file:
        file.write(json.dumps(plain))
    partial.rename(path)


def _read(path: Path) -> dict[str, Any]:
    with gzip.open(path, "rt") as file:
        return json.load(file)


def stacks(runs: Iterable[Trained]) -> list[list[Trained]]:
    """Runs of one shape and one mutant, few enough for the cache."""
    shapes: dict[tuple[Any, str], list[Trained]] = {}
    for run in runs:
        shapes.setdefault((shape_signature(run.config), run.mutant), []).append(run)
    return [of[at : at + MOST] for of in shapes.values() for at in range(0, len(of), MOST)]


@cache
def sources(of: Literal["mlp", "modules"] = "mlp") -> str:
    """A hash of the code that makes a record; comments and docstrings are not in it."""
    package, here = Path(ninja.__file__).parent, Path(__file__).parent
    own, makers = MAKERS[of]
    paths = [path for pattern in makers for path in sorted(package.glob(pattern))]
    found = hashlib.sha256()
    for path in [*paths, *(here / name for name in own)]:
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
