"""Measurements that were made before, for as long as nothing that makes them has changed."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

from ninja import durable
from ninja.words import NAMES, sha256

ROOT = Path(__file__).parents[1]
PLACE = Path("outputs") / "reproduce"
SOURCES = ("ninja", "hydra_plugins", "conf", "experiments")


@cache
def _sources() -> bytes:
    """Of all code and configs: a rule that was changed is measured again."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".yaml") and path.name != "claims.yaml":
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    digest.update(NAMES.read_bytes())
    return digest.digest()


def sources(*beside: str) -> str:
    """Of all code and configs, and of what else is told, in a few digits."""
    return hashlib.sha256(_sources() + "\n".join(beside).encode()).hexdigest()[:12]


def key(study: str, *, quick: bool, words: Path | None = None) -> str:
    """What determines the numbers of a study: code, data, versions, the machine's kind.

    Args:
        study: its name.
        quick: fewer seeds.
        words: the list that it learns; none for the shipped one.

    Raises:
        DataError: the list cannot be read.
    """
    versions = [f"{of} {metadata.version(of)}" for of in ("torch", "numpy", "scipy")]
    told = [study, str(quick), platform.machine(), platform.python_version(), *versions]
    if words is not None:
        told.append(sha256(words))
    return hashlib.sha256(_sources() + "\n".join(told).encode()).hexdigest()[:16]


def read(
    study: str, *, quick: bool, words: Path | None = None
) -> tuple[dict[str, list[float]], float] | None:
    """The measurements and the seconds that they took; none if there are none, or damaged ones."""
    path = _path(study, quick, words)
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
        measured = {
            str(name): [float(value) for value in values]
            for name, values in found["measured"].items()
        }
        seconds = float(found["seconds"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None  # it is measured again
    return (measured, seconds) if all(measured.values()) else None


def write(
    study: str,
    measured: Mapping[str, Sequence[float]],
    seconds: float,
    *,
    quick: bool,
    words: Path | None = None,
) -> None:
    """Keep them."""
    path = _path(study, quick, words)
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.write(path, json.dumps({"measured": measured, "seconds": seconds}).encode())


def files() -> list[Path]:
    """Where measurements may be kept; whether they are of this code is not said."""
    return sorted(PLACE.glob("*.json"))


def _path(study: str, quick: bool, words: Path | None) -> Path:
    return PLACE / f"{study}-{key(study, quick=quick, words=words)}.json"
