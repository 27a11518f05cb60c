"""All that a run needs to go on as if it had never stopped."""

import hashlib
import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ninja import durable
from ninja.durable import CURRENT, PREVIOUS
from ninja.errors import RecordError
from ninja.types import Buffers, Deltas, Params

VERSION = 2
DIGEST = 32  # bytes of SHA-256


@dataclass(frozen=True)
class TrainState:
    """A run between two steps.

    Attributes:
        step: the next one.
        params: trained so far.
        buffers: running statistics.
        optimizer: momenta, by name, node and tensor.
        previous: gradients that the next step looks back at; empty if it does not.
        generators: state of each stream before its last block of batches was drawn.
        used: batches of that block that have been trained on.
        record: bytes of the record up to here.
        seconds: trained up to here, over all starts.
    """

    step: int
    params: Params
    buffers: Buffers
    optimizer: dict[str, Params]
    previous: Deltas
    generators: list[Tensor]
    used: int
    record: int
    seconds: float


def save(folder: Path, run_id: str, state: TrainState) -> None:
    """Write the state; the one before it stays as the previous checkpoint."""
    buffer = io.BytesIO()
    plain = {field.name: getattr(state, field.name) for field in fields(TrainState)}
    torch.save({"version": VERSION, "run_id": run_id, **plain}, buffer)
    content = buffer.getvalue()
    current = folder / CURRENT
    if current.is_file() and _is_whole(current.read_bytes()):  # else it would push out a good one
        current.replace(folder / PREVIOUS)
    durable.write(current, hashlib.sha256(content).digest() + content)


def _is_whole(stored: bytes) -> bool:
    """Torch's own format does not notice a changed byte: a digest goes before it."""
    return hashlib.sha256(stored[DIGEST:]).digest() == stored[:DIGEST]


def load(folder: Path, run_id: str) -> tuple[TrainState | None, list[str]]:
    """The newest checkpoint that is whole, or none, and a line about each that is not.

    Nothing but tensors and plain values is unpickled (``weights_only=True``). The tensors lie in
    the CPU's memory, wherever they were trained.

    Raises:
        RecordError: there is one, but it cannot be read: to train anew would write over it.
    """
    damaged: list[str] = []
    for name in (CURRENT, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            stored = path.read_bytes()
        except OSError as error:
            raise RecordError(
                f"{str(path)!r}: cannot be read ({error.strerror}): make it a readable file, or "
                "remove it to go on without it"
            ) from None
        try:
            return _state(stored, run_id), damaged
        except Exception as error:  # a damaged file fails in many ways
            why = (str(error) or type(error).__name__).splitlines()[0].partition(". ")[0]
            shown = "".join(character for character in why if character.isprintable())
            damaged.append(f"{str(path)!r}: damaged ({shown})")
    return None, damaged


def _state(stored: bytes, run_id: str) -> TrainState:
    if not _is_whole(stored):
        raise ValueError("its bytes are not those that were written")
    saved: dict[str, Any] = torch.load(
        io.BytesIO(stored[DIGEST:]), map_location="cpu", weights_only=True
    )
    if saved["version"] != VERSION or saved["run_id"] != run_id:
        raise ValueError("it belongs to another run or another version")
    return TrainState(**{field.name: saved[field.name] for field in fields(TrainState)})
