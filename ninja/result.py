"""A run's last word, ``result.json``: written last and whole, it stands for a finished run."""

import json
import platform
import subprocess
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from ninja import durable
from ninja.errors import RecordError

RESULT = "result.json"


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        run_id: of the run.
        status: trained to the end, or stopped where a number was none.
        steps: trained.
        losses: by split; empty when it diverged.
        diverged: the step, node and tensor where the first infinity or not-a-number stood.
        classes: of the cross-entropy.
        data_sha256: of the word list.
        config: as plain data.
        seconds: trained, over all starts.
        versions: of what computed it.
        git_revision: of the checkout, if there is one.
    """

    run_id: str
    status: Literal["done", "diverged"]
    steps: int
    losses: dict[str, float]
    diverged: dict[str, Any] | None
    classes: int
    data_sha256: str
    config: dict[str, Any]
    seconds: float
    versions: dict[str, str] = field(default_factory=lambda: versions())
    git_revision: str | None = field(default_factory=lambda: git_revision())


def versions() -> dict[str, str]:
    """Of the packages that make the numbers."""
    made_of = ("gradient-ninja", "torch", "numpy", "hydra-core")
    found = {name: metadata.version(name) for name in made_of}
    return {"python": platform.python_version(), **found}


def git_revision() -> str | None:
    """The commit of the checkout that the package runs from; none outside of one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git on this machine
        return None
    return done.stdout.strip() or None


def write(folder: Path, result: Result) -> None:
    """Atomically."""
    durable.write(folder / RESULT, json.dumps(vars(result), indent=1).encode())


def read(folder: Path, run_id: str) -> Result | None:
    """The result of a finished run, or none.

    Raises:
        RecordError: there is one, and it is damaged, or another run's.
    """
    path = folder / RESULT
    if not path.exists():
        return None
    try:
        found = Result(**json.loads(path.read_bytes()))
        if found.run_id != run_id:
            raise ValueError(f"it is of the run {found.run_id}")
    except (ValueError, TypeError, RecursionError) as error:
        raise RecordError(
            f"{str(path)!r}: damaged ({error}): remove it to finish the run again"
        ) from None
    return found
