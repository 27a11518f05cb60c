"""Which W&B run belongs to a run's folder: ``wandb.json``, kept in the folder itself.

A run that goes on after a kill goes on in W&B too, and a folder that was deleted begins a new one:
W&B never gives the id of a deleted run again. A folder that was moved keeps its run; a copy, beside
which the original still lies, is a run of its own.
"""

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ninja import durable
from ninja.config import RunConfig, WandbConfig
from ninja.errors import RecordError
from ninja.schema import check_types

FILE = "wandb.json"

State = Literal["open", "offline", "complete"]


@dataclass(frozen=True)
class Identity:
    """What W&B calls a run, and how much of it W&B has.

    Attributes:
        id: of the W&B run.
        name: as it is displayed: the run's own id.
        project: of W&B.
        entity: user or team; none for the user's default.
        group: runs that belong together.
        job_type: the study.
        tags: the config's, the environment's, the backward engine and the norm.
        config: the resolved config, as plain data.
        state: ``open`` while something is missing, ``offline`` when all is in local files of W&B,
            ``complete`` when the server has it all.
        folder: the absolute one that it was made for; empty in a file that does not say.
    """

    id: str
    name: str
    project: str
    entity: str | None
    group: str
    job_type: str
    tags: tuple[str, ...]
    config: dict[str, Any]
    state: State = "open"
    folder: str = ""

    @property
    def timeout(self) -> float:
        """Seconds that a silent server may cost."""
        return float(self.config["wandb"]["timeout"])


def identify(config: RunConfig, folder: Path) -> Identity:
    """The identity of a run that is about to be trained: its old one, or a new one.

    What the config says comes before the environment (``WANDB_PROJECT``, ``WANDB_ENTITY``,
    ``WANDB_RUN_GROUP``), and what the environment says before a default; tags of both are joined.
    An id belongs to its project, so that another project means another id.

    Raises:
        RecordError: there is a ``wandb.json``, and it cannot be used.
    """
    chosen, environment = config.wandb, os.environ
    project = chosen.project
    if project == WandbConfig().project:
        project = environment.get("WANDB_PROJECT") or project
    added = tuple(tag for tag in environment.get("WANDB_TAGS", "").split(",") if tag)
    tags = dict.fromkeys((*chosen.tags, *added, config.backward, f"norm={config.norm.name}"))
    new = Identity(
        id=secrets.token_hex(8),
        name=folder.name,
        project=project,
        entity=chosen.entity or environment.get("WANDB_ENTITY") or None,
        group=chosen.group or environment.get("WANDB_RUN_GROUP") or config.study,
        job_type=config.study,
        tags=tuple(tags),
        config=json.loads(json.dumps(asdict(config))),
        folder=str(folder.absolute()),
    )
    old = read(folder)
    if old is None or (old.project, old.entity) != (new.project, new.entity):
        return new
    return replace(new, id=old.id, state=old.state)


def read(folder: Path) -> Identity | None:
    """The identity of a run, or none when W&B was never asked to show it.

    That of a copied folder has an id that is new with every call, until it is written.

    Raises:
        RecordError: the file is damaged, or cannot be read.
    """
    found = _parse(folder)
    if found is None:
        return None
    here = replace(found, folder=str(folder.absolute()))
    if not _is_copy(found, folder):
        return here
    return replace(here, id=secrets.token_hex(8), name=folder.name, state="open")


def _parse(folder: Path) -> Identity | None:
    path = folder / FILE
    try:
        if not path.exists():
            return None
        plain = json.loads(path.read_bytes())
        found = Identity(**plain | {"tags": tuple(plain["tags"])})
        check_types(found)
        float(found.timeout)
    except OSError as error:
        raise RecordError(f"{str(path)!r}: cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise RecordError(
            f"{str(path)!r}: damaged: remove it, and W&B shows the run as a new one"
        ) from None
    return found


def _is_copy(found: Identity, folder: Path) -> bool:
    """Whether the folder that it was made for is another one, and still has the same run."""
    original = Path(found.folder)
    if not found.folder or not original.is_dir() or original.samefile(folder):
        return False
    try:
        other = _parse(original)
    except RecordError:  # it is still there, and will not be mixed up with its copy
        return True
    return other is not None and other.id == found.id


def write(folder: Path, identity: Identity) -> None:
    """Durably: an id that W&B knows must not be forgotten."""
    durable.write(folder / FILE, json.dumps(asdict(identity), indent=1).encode())
