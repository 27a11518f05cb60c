"""What a run is called and where it lies: its id is a hash of all that determines its result."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ninja import words
from ninja.config import RunConfig

NUMERICS = 1
"""Raised when golden losses change, so that no older result passes for a newer one."""

_NO_MATTER = ("study", "output", "checkpoint", "tracker", "wandb")


def run_id(config: RunConfig) -> str:
    """Twelve digits. Where it lies and how often it is saved do not change a result.

    Raises:
        DataError: the word list cannot be read.
    """
    matters: dict[str, Any] = {k: v for k, v in asdict(config).items() if k not in _NO_MATTER}
    matters["data"]["path"] = words.sha256(config.data.path or words.NAMES)
    matters["numerics"] = NUMERICS
    return hashlib.sha256(json.dumps(matters, sort_keys=True).encode()).hexdigest()[:12]


def folder(config: RunConfig) -> Path:
    """``output/study/run_id``."""
    return Path(config.output, config.study, run_id(config))
