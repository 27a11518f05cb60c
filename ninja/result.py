"""A run's last word, ``result.json``: written last and whole, it stands for a finished run."""

import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from ninja import durable
from ninja.errors import RecordError
from ninja.schema import check_types
from ninja.version import __version__

RESULT = "result.json"
LOSSES = ("train", "validation", "test", "by_batch")


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        run_id: of the run.
        status: trained to the end, or stopped where a number was none; or watched, a training of
            somebody else's, of which less is known: then it has no config, no losses of splits,
            and classes is 0 where they are not known.
        steps: trained.
        losses: by split; empty when it diverged.
        diverged: the step, node and tensor where the first infinity or not-a-number stood.
        classes: of the cross-entropy.
        data_sha256: of the word list.
        config: as plain data.
        seconds: trained, over all starts.
        execution: of the steps that nobody looked at.
        verdict: "healthy", or what is not.
        findings: what is wrong, `ninja.diagnosis.Finding` as plain data, causes first.
        evidence: the numbers of its health, `ninja.diagnosis.Evidence` as plain data.
        finished: when, in UTC.
        versions: of what computed it.
        git_revision: of the checkout, if there is one.
    """

    run_id: str
    status: Literal["done", "diverged", "watched"]
    steps: int
    losses: dict[str, float]
    diverged: dict[str, Any] | None
    classes: int
    data_sha256: str
    config: dict[str, Any]
    seconds: float
    execution: Literal["eager", "compiled"]
    verdict: str
    findings: list[dict[str, Any]]
    evidence: list[dict[str, Any]]
    finished: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: dict[str, str] = field(default_factory=lambda: dict(versions()))
    git_revision: str | None = field(default_factory=lambda: git_revision())


@cache
def versions() -> Mapping[str, str]:
    """Of the packages that make the numbers."""
    found = {name: metadata.version(name) for name in ("torch", "numpy", "hydra-core")}
    own = {"python": platform.python_version(), "gradient-ninja": __version__}
    return {**own, **found}


@cache
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


def read(folder: Path, run_id: str | None = None) -> Result | None:
    """The result of a finished run, or none.

    Args:
        folder: of the run.
        run_id: whose result it must be; none for any.

    Raises:
        RecordError: there is one, and it is damaged, of another version, or another run's.
    """
    path = folder / RESULT
    try:
        plain = json.loads(durable.read(path))
        if not isinstance(plain, dict):
            raise ValueError("it holds no object")
        _check_version(path, plain)
        found = Result(**plain)
        _check(found, run_id)
    except RecordError:
        raise
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{str(path)!r}: cannot be read ({error.strerror})") from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise RecordError(
            f"{str(path)!r}: damaged ({error}): remove it to finish the run again"
        ) from None
    return found


def _check_version(path: Path, plain: dict[str, Any]) -> None:
    """Refuse other fields than a result has, and say which version may have written them."""
    names = {item.name for item in fields(Result)}
    told = [f"has no {name!r}" for name in sorted(names - set(plain))]
    told += [f"has a {name!r}" for name in sorted(set(plain) - names)]
    if not told:
        return
    made_by = plain.get("versions")
    other = made_by.get("gradient-ninja") if isinstance(made_by, dict) else None
    if other in (None, __version__):
        raise ValueError(f"it {told[0]}")
    raise RecordError(
        f"{str(path)!r}: of gradient-ninja {other}, this is {__version__}: it {told[0]}: "
        "remove it to finish the run again"
    )


def _check(found: Result, run_id: str | None) -> None:
    """Refuse what no run ends with.

    Raises:
        ValueError: a type, or what contradicts the status.
        OverflowError: an integer that no float can hold.
    """
    check_types(found)
    for number in (found.seconds, *found.losses.values()):
        float(number)
    if found.run_id != (run_id or found.run_id):
        raise ValueError(f"it is of the run {found.run_id}")
    if found.status == "done" and (set(found.losses) != set(LOSSES) or found.diverged is not None):
        raise ValueError(f"losses: {found.losses!r} are not those of a run that is done")
    where = found.diverged or {}
    kinds = {name: type(value) for name, value in where.items()}
    if found.status == "diverged" and kinds != {"step": int, "node": str, "tensor": str}:
        raise ValueError(f"diverged: {found.diverged!r} says not where")


def where_diverged(ended: Result) -> str:
    """Of a run that diverged, in words."""
    where = ended.diverged or {}
    return (
        f"at step {where['step']:,}: the first value that is not finite is in "
        f"{where['node']}.{where['tensor']}"
    )
