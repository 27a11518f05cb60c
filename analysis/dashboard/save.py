"""The dashboards' specification on disk, whatever a server does; and at the server, if one does."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.dashboard.runs import DashboardError, Project, key, plain
from ninja import durable
from ninja.tracking.client import PATIENCE, Process

LOADING = 60.0
"""Seconds of silence in which a busy machine loads W&B."""

KEYLESS = "needs an API key"
"""What `ninja.tracking.server` says of a server that nobody has given a key for."""


@dataclass(frozen=True)
class Saved:
    """What became of the dashboards.

    Attributes:
        specs: of each project, the workspace and the report as W&B's server takes them.
        addresses: of each that was saved: "workspace" and "report".
        failed: why not all were, in a line; none when they were, or nobody was asked.
        reason: why nobody was asked; none when somebody was.
    """

    specs: list[dict[str, Any]]
    addresses: list[dict[str, str]]
    failed: str | None
    reason: str | None


def save(projects: Sequence[Project], out: Path) -> Saved:
    """Build all dashboards, write them to ``out``, and save them where there is a server.

    ``WANDB_MODE`` can forbid to send. A key that is missing is a fault only where runs were trained
    with ``tracker=online``; else there is no server.

    Raises:
        DashboardError: they cannot be built, or not be written; or the file is no such file.
    """
    before = _read(out)
    mode = os.environ.get("WANDB_MODE", "").lower()
    forbidden = f"WANDB_MODE={mode}" if mode in ("offline", "dryrun", "disabled") else None
    answers: dict[str, Any] = {"saved": []}

    def hear(answer: dict[str, Any]) -> None:
        answers.update(answer)
        if "built" in answer:  # whatever the server does next
            _write(out, projects, answers, before)

    process = Process(hear, "analysis.dashboard.build")
    seconds = max(project.timeout for project in projects)
    process.say(
        projects=[plain(project) for project in projects],
        send=forbidden is None,
        seconds=seconds,
        address=before.get("address", ""),
        saved=before.get("saved", {}),
    )
    in_time = process.join(seconds * len(projects) + PATIENCE + LOADING)
    if "built" not in answers:
        why = answers.get("died", f"W&B took longer than {LOADING:g} s to load")
        raise DashboardError(f"the dashboards cannot be built: {why}")
    failed, reason = answers.get("failed") or answers.get("died"), forbidden
    if not in_time and failed is None:
        failed = f"W&B was silent for {seconds + PATIENCE:g} s"
    if failed and KEYLESS in failed and not any(project.online for project in projects):
        failed, reason = None, failed
    _write(out, projects, answers, before)
    if fault := answers.get("fault"):
        raise DashboardError(fault)
    return Saved(answers["built"], answers["saved"], failed, reason)


def _read(out: Path) -> dict[str, Any]:
    """What the file says of an earlier time.

    Raises:
        DashboardError: it holds something else.
    """
    if not out.exists():
        return {}
    try:
        found = json.loads(durable.read(out))
        return {"address": str(found["address"]), "saved": dict(found["saved"])}
    except OSError as error:
        raise DashboardError(f"{str(out)!r}: cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DashboardError(
            f"{str(out)!r}: no specification of dashboards: give another --out, or remove it"
        ) from None


def _write(
    out: Path, projects: Sequence[Project], answers: dict[str, Any], before: Mapping[str, Any]
) -> None:
    """Replace the file; what cannot be written is kept as ``fault``, for who waits."""
    same = before.get("address") == answers["address"]
    saved: dict[str, Any] = dict(before.get("saved", {})) if same else {}
    saved |= {key(one): at for one, at in zip(projects, answers["saved"], strict=False)}
    content = {
        "address": answers["address"],
        "saved": saved,
        "dashboards": [
            {"entity": one.entity, "project": one.name, "runs": len(one.runs), **spec}
            for one, spec in zip(projects, answers["built"], strict=True)
        ],
    }
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        durable.write(out, json.dumps(content, indent=1).encode())
    except OSError as error:
        answers["fault"] = f"{str(error.filename or out)!r}: cannot be written: {error.strerror}"
