"""Runs as they lie on disk, made without training, and what W&B's own files say of them."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record as Logged

from ninja import records
from ninja.config import RunConfig, WandbConfig
from ninja.result import LOSSES, Result, write

NAN = float("nan")
STEPS = (0, 1, 2, 5, 10, 20)
TIMEOUT = 30.0
"""Seconds: for servers that answer, however busy the machine is."""

SHORT = 2.0
"""For those that do not."""


def config(tracker: str = "online", timeout: float = TIMEOUT, **more: Any) -> RunConfig:
    wandb = WandbConfig(timeout=timeout, **more)
    return RunConfig(study="a study", tracker=tracker, wandb=wandb)  # pyright: ignore[reportArgumentType]


def row(step: int, **more: Any) -> dict[str, Any]:
    """One row as `ninja.records.rows` gives it."""
    tanh = {"layer": 1, "node": "04.tanh", "rule": "tanh", "tensor": "y"}
    weight = {"layer": 2, "node": "05.linear", "rule": "linear", "tensor": "W"}
    return {
        "step": step,
        "loss": 3.5 - step / 100,
        "lr": 0.1,
        "grad_norm": 0.9,
        "gap": 1e-7,
        "layers": [
            {**tanh, "delta_rms": 0.01, "act_mean": 0.1, "act_std": 0.6, "saturated": 0.2},
            {**weight, "grad_norm": 0.5, "update_ratio": -2.9, "gap": 1e-8},
        ],
        "train_us": 400.0,
        "probe_us": 300.0,
    } | more


def histogram(step: int) -> dict[str, Any]:
    """A row with a histogram."""
    of = {"node": "04.tanh", "tensor": "y", "of": "value"}
    return row(step, histograms=[{**of, "counts": [1, 2], "edges": [-1, 0, 1], "outside": 0}])


def record(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Add to a run's record."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / records.LINES
    with records.Record(folder, path.stat().st_size if path.exists() else 0) as file:
        for one in rows:
            places, numbers = _bare(one["layers"])
            if "layers" not in file.places:
                file.place("layers", places)
            file.append(one | {"layers": numbers})


def _bare(layers: list[dict[str, Any]]) -> tuple[list[records.Place], list[float]]:
    """Where each number of the layers belongs, and the numbers."""
    about = ("layer", "node", "rule", "tensor")
    found = [
        ((*(of[key] for key in about), column), of[column])
        for of in layers
        for column in of
        if column not in about
    ]
    return [place for place, _ in found], [value for _, value in found]


def result(folder: Path, status: str = "done", **more: Any) -> None:
    """End a run."""
    losses = dict(zip(LOSSES, (2.1, 2.2, 2.3, 2.1), strict=True)) if status == "done" else {}
    plain = {"run_id": folder.name, "status": status, "steps": 21, "losses": losses}
    plain |= {
        "seconds": 1.5,
        "execution": "eager",
        "diverged": None,
        "classes": 27,
        "data_sha256": "",
        "config": {},
    }
    write(folder, Result(**plain | {"verdict": "healthy", "findings": [], "evidence": []} | more))


def logged(folder: Path) -> list[Logged]:
    """Everything in the one W&B file of a run's folder."""
    (path,) = (folder / "wandb").glob("*/run-*.wandb")
    return [Logged.FromString(content) for content in _contents(path.read_bytes())]


def history(folder: Path) -> list[dict[str, Any]]:
    """The rows in it."""
    rows: list[dict[str, Any]] = []
    for one in logged(folder):
        if one.WhichOneof("record_type") == "history":
            rows.append({})
            for item in one.history.item:
                *path, last = item.nested_key or [item.key]
                inner = rows[-1]
                for key in path:
                    inner = inner.setdefault(key, {})
                inner[last] = json.loads(item.value_json)
    return rows


def _contents(file: bytes) -> Iterator[bytes]:
    """A log of LevelDB's: blocks of 32 KiB, and in them whole records (1) or parts (2, 3, 4)."""
    at, parts = 7, b""
    while at + 7 <= len(file):
        left = 2**15 - at % 2**15
        if left < 7:
            at += left
            continue
        size, kind = struct.unpack("<HB", file[at + 4 : at + 7])
        parts += file[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            yield parts
            parts = b""
