"""``python -m analysis.dashboard.build``: the process that loads W&B, builds, and saves.

`analysis.dashboard.save` starts it. A JSON line comes in: ``projects``, whether to ``send``, the
``seconds`` that a server has, and the addresses under which the dashboards were ``saved`` before.
JSON lines go out: ``built``, the specifications; then ``saved``, the addresses, or ``failed``;
``closed`` or ``died`` at the end.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from analysis.dashboard import runs
from analysis.dashboard.runs import Project
from ninja.tracking.account import said
from ninja.tracking.priority import Priority
from ninja.tracking.server import RefusedError, Server, ServerError
from ninja.tracking.session import Heard, exit_at_once, load

Tell = Callable[[dict[str, Any]], None]

MISSING = "it needs wandb-workspaces: pip install 'gradient-ninja[analysis]'"


def built(project: Project) -> dict[str, Any]:
    """Both as W&B's server takes them; nothing is asked of it."""
    from analysis.dashboard.panels import sections
    from analysis.dashboard.report import report
    from analysis.dashboard.workspace import workspace

    whole = {
        "workspace": workspace(project, sections(project)),
        "report": report(project, sections(project)),
    }
    return {  # what their `save` sends
        name: of._to_model().model_dump(mode="json", by_alias=True, exclude_none=True)
        for name, of in whole.items()
    }


def save(project: Project, before: Mapping[str, str]) -> dict[str, str]:
    """Save both, in place of those that were saved before; returns their addresses and ids.

    The report is first: it makes the project, where nothing was sent to it yet.

    Raises:
        Exception: whatever `wandb` raises when the server fails, or refuses them.
    """
    import wandb
    import wandb_workspaces.workspaces as ws

    from analysis.dashboard.panels import sections
    from analysis.dashboard.report import report
    from analysis.dashboard.workspace import runs as shown
    from analysis.dashboard.workspace import settings, workspace

    here = replace(project, entity=project.entity or wandb.Api().default_entity)
    page = report(here, sections(here))
    page.id = before.get("report_id", "")
    page.save()
    board = workspace(here, sections(here))
    if url := before.get("workspace"):
        wanted, board = board, ws.Workspace.from_url(url)
        board.sections, board.name = wanted.sections, wanted.name
        board.settings, board.runset_settings = settings(), shown(here)
    board.save()
    return {"workspace": str(board.url), "report": str(page.url), "report_id": page.id}


def serve(asked: Mapping[str, Any], tell: Tell) -> None:
    """Answer the one request."""
    heard = Heard()
    priority = Priority()
    priority.take_back()  # nothing is trained meanwhile
    address = load(heard, priority)
    projects = [runs.read(one) for one in asked["projects"]]
    tell({"built": [built(project) for project in projects], "address": address})
    if asked["send"]:
        tell(_sent(projects, asked, Server(heard), address))


def _sent(
    projects: list[Project], asked: Mapping[str, Any], server: Server, address: str
) -> dict[str, Any]:
    before = asked["saved"] if asked["address"] == address else {}
    saved: list[dict[str, str]] = []
    try:
        for project in projects:
            known: Mapping[str, str] = before.get(runs.key(project), {})

            def call(project: Project = project, known: Mapping[str, str] = known) -> Any:
                return save(project, known)

            saved.append(server.ask(call, asked["seconds"]))
    except (ServerError, RefusedError) as error:
        return {"failed": f"W&B at {address} (WANDB_BASE_URL) {error}", "saved": saved}
    return {"saved": saved}


def main() -> None:
    """Serve, and exit: 0 when it is done, also where the server failed, which is told."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for who started it
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing that `wandb` prints comes between the answers

    def tell(answer: dict[str, Any]) -> None:
        out.write(json.dumps(answer) + "\n")
        out.flush()

    code = 0
    try:
        serve(json.loads(sys.stdin.readline()), tell)
        tell({"closed": True})
    except ModuleNotFoundError as error:
        tell({"died": MISSING if "wandb" in str(error) else str(error)})
        code = 1
    except Exception as error:  # whatever it is: who started it says it
        tell({"died": said(error)})
        code = 1
    exit_at_once(code)


if __name__ == "__main__":
    main()
