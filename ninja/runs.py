"""What a run is called and where it lies: its id is a hash of all that determines its result."""

import hashlib
import json
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from ninja import words
from ninja.config import RunConfig
from ninja.number import number

NUMERICS = 3
"""Raised when golden losses change, so that no older result passes for a newer one."""

NO_MATTER = ("study", "output", "checkpoint", "tracker", "wandb", "recompute")
"""Keys that change no bit of a run."""


def run_id(config: RunConfig) -> str:
    """Twelve digits. Where it lies, how often it is saved and what is computed twice change no bit.

    Raises:
        DataError: the word list cannot be read.
    """
    matters = {k: _same(v) for k, v in vars(config).items() if k not in NO_MATTER}
    matters["data"]["path"] = words.sha256(config.data.path or words.NAMES)
    matters["init"]["gain"] = _same(_gain(config.init.gain))
    matters["numerics"] = _same(NUMERICS)
    return hashlib.sha256(json.dumps(matters, sort_keys=True).encode()).hexdigest()[:12]


def _same(value: Any) -> Any:
    """As plain data, in which equal numbers look alike, however they were typed: 1 and 1.0."""
    if type(value) is int:
        return float(value)
    if isinstance(value, (list, tuple)):
        return [_same(one) for one in value]
    return {k: _same(v) for k, v in vars(value).items()} if is_dataclass(value) else value


def _gain(gain: float | str) -> float | str:
    """5/3 and "5/3" are one gain; what is no number is an activation's name, or none at all."""
    value = number(gain) if type(gain) in (int, float, str) else None  # see `gain_value`
    return gain if value is None else value


def folder(config: RunConfig) -> Path:
    """``output/study/run_id``."""
    return Path(config.output, config.study, run_id(config))
